import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Post, StreamableFile } from '@nestjs/common';
import { ProblemException, ZodBody, ZodQuery } from '@signalbox/service';
import { z } from 'zod';
import { jsonList } from '../control-api/json-list.ts';
import { type Verification, VerifyLedger } from './verify-ledger.ts';
import { VerifyPlay, type VerifySettings, verifySettings } from './verify-settings.ts';
import { Verifications } from './verifications.ts';

const listQuery = z.object({
  to: z.string().optional(),
  limit: z.coerce.number().int().min(0).default(1_000_000),
});

/** A look behind the counter of Verify, codes included. */
@Controller('_sim')
export class VerifyControlController {
  constructor(
    private readonly ledger: VerifyLedger,
    private readonly verifications: Verifications,
    private readonly play: VerifyPlay,
  ) {}

  @Get('verifications')
  list(@ZodQuery(listQuery) { to, limit }: z.output<typeof listQuery>): StreamableFile {
    const list = jsonList(this.ledger.verifications(to), limit, groundTruth);
    return new StreamableFile(Readable.from(list, { objectMode: false }), { type: 'application/json; charset=utf-8' });
  }

  @Post('verifications/:sid/expire')
  @HttpCode(204)
  expire(@Param('sid') sid: string): void {
    const verification = this.ledger.bySid(sid);
    if (!verification) throw new ProblemException(404, 'Not Found', 'There is no verification with this SID');
    this.verifications.expire(verification);
  }

  @Get('verify')
  settings() {
    return this.play.settings;
  }

  @Post('verify')
  @HttpCode(200)
  replaceSettings(@ZodBody(verifySettings) settings: VerifySettings) {
    this.play.replace(settings);
    return this.play.settings;
  }
}

function groundTruth(verification: Verification) {
  const last = verification.attempts.at(-1);
  return {
    sid: verification.sid,
    accountSid: verification.accountSid,
    serviceSid: verification.service.sid,
    to: verification.to,
    from: last?.from ?? null,
    body: last?.body ?? null,
    code: verification.code,
    channel: verification.channel,
    status: verification.status,
    checks: verification.checks,
    sends: verification.attempts.length,
    attempts: verification.attempts.map(({ sid, channel, from, body, status, errorCode, createdAt }) => ({
      sid,
      channel,
      from,
      body,
      status,
      errorCode,
      createdAt: iso(createdAt),
    })),
    createdAt: iso(verification.createdAt),
    expiresAt: iso(verification.expiresAt),
  };
}

const iso = (time: number): string => new Date(time).toISOString();
