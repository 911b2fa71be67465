import { Controller, Get, HttpCode, Inject, Post, Res, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type StartVerificationRequest, startVerificationRequest } from '@signalbox/contracts';
import {
  ApiTokenGuard,
  CurrentTenant,
  IdempotencyKeyHeader,
  Scopes,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import type { Tenant } from '@signalbox/tenants';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Canceler } from '../cancel/canceler.ts';
import { Checker } from '../check/checker.ts';
import type { OwnCode } from '../start/draft.ts';
import { Starter } from '../start/starter.ts';
import { checked, notFound, started } from './verification.answers.ts';
import { findStory } from './verification.queries.ts';
import {
  checkedVerification,
  type CheckedVerification,
  checkRequest,
  type ResendRequest,
  resendRequest,
  startedVerification,
  type StartedVerification,
  type VerificationStory,
  verificationStory,
} from './verification.schemas.ts';

const verificationId = z.uuid();

@ApiTags('verifications')
@Controller('v1/verifications')
@UseGuards(ApiTokenGuard)
export class VerificationController {
  constructor(
    @Inject(Starter) private readonly starter: Starter,
    @Inject(Checker) private readonly checker: Checker,
    @Inject(Canceler) private readonly canceler: Canceler,
    @Inject(DataSource) private readonly db: DataSource,
  ) {}

  @Post()
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ApiOperation({
    summary: 'Start a verification',
    description:
      'Answers when Twilio has taken it, or when every channel was tried. A recipient that is not to get codes looks like any other. ' +
      'Limits answer 429 with `retryAfter`, in seconds.',
  })
  @ZodResponse(201, startedVerification, 'Started; `accepted` means that it is not known yet whether a code was sent')
  @ZodResponse(200, startedVerification, 'The key was known; nothing was sent')
  async start(
    @CurrentTenant() tenant: Tenant,
    @ZodBody(startVerificationRequest) request: StartVerificationRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StartedVerification> {
    const { code, ownCode, ...command } = request;
    const answer = await this.starter.start(tenant, { ...command, tenant: tenant.name }, codeOf(code, ownCode));
    if (answer.result === 'repeat') void reply.status(200);
    return started(tenant, answer);
  }

  @Post(':id/resend')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({
    summary: 'Send another code of a verification, on the same channel or another',
    description: 'The same limits apply as to a start.',
  })
  @ZodResponse(200, startedVerification)
  async resend(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('id', verificationId) id: string,
    @ZodBody(resendRequest) { channel, code }: ResendRequest,
  ): Promise<StartedVerification> {
    const asked = { id, channel: channel ?? null, code: code ?? null };
    return started(tenant, await this.starter.resend(tenant.name, asked));
  }

  @Post(':id/check')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({
    summary: 'Check a code',
    description:
      'At most five per verification; then 429 with `retryAfter`, in seconds. 404 once it is approved, expired or canceled.',
  })
  @ZodResponse(200, checkedVerification)
  async check(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('id', verificationId) id: string,
    @ZodBody(checkRequest) { code }: { code: string },
  ): Promise<CheckedVerification> {
    return checked(await this.checker.check({ tenant: tenant.name, id }, code));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Scopes('send')
  @ApiOperation({
    summary: 'End a verification that is no longer wanted',
    description: 'One that has ended stays as it is.',
  })
  @ZodResponse(200, verificationStory)
  async cancel(
    @CurrentTenant() tenant: Tenant,
    @ZodParam('id', verificationId) id: string,
  ): Promise<VerificationStory> {
    if (!(await this.canceler.cancel(tenant.name, id))) throw notFound();
    return this.#story(tenant, id);
  }

  @Get(':id')
  @Scopes('read')
  @ApiOperation({
    summary: 'The whole story of a verification: channels and why, checks, what the provider said; never a code',
  })
  @ZodResponse(200, verificationStory)
  async story(@CurrentTenant() tenant: Tenant, @ZodParam('id', verificationId) id: string): Promise<VerificationStory> {
    return this.#story(tenant, id);
  }

  async #story(tenant: Tenant, id: string): Promise<VerificationStory> {
    const story = await findStory(this.db, tenant.name, id);
    if (!story) throw notFound();
    return story;
  }
}

function codeOf(code: string | null | undefined, ownCode: boolean): OwnCode | null {
  if (typeof code === 'string') return { kind: 'callers', value: code };
  return ownCode ? { kind: 'ours', value: null } : null;
}
