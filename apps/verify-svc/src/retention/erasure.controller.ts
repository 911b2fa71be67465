import { Controller, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  ZodBody,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { toE164 } from '@signalbox/twilio';
import { z } from 'zod';
import { Canceler } from '../cancel/canceler.ts';
import { eraseStarts } from '../guard/start.store.ts';
import { eraseVerifications, openOf } from './retention.store.ts';

const erasureRequest = z
  .object({
    recipient: z
      .string()
      .min(1)
      .max(320)
      .meta({ description: 'The person, by phone number or email address', examples: ['+14155550199'] }),
  })
  .meta({ id: 'ErasureRequest' });

const erasure = z
  .object({
    verifications: z.int().meta({ description: 'Erased now' }),
    canceled: z.int().meta({ description: 'Of these, still open until now' }),
  })
  .meta({ id: 'Erasure' });

@ApiTags('erasures')
@Controller('v1/erasures')
@UseGuards(ApiTokenGuard)
@Scopes('admin')
export class ErasureController {
  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(Canceler) private readonly canceler: Canceler,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Erase a person, by number or address, from all verifications of the tenant',
    description: 'What is open is canceled. That codes were sent, on which channels, and what became of them, stays.',
  })
  @ZodResponse(200, erasure)
  async erase(
    @CurrentTenant() tenant: { name: string },
    @ZodBody(erasureRequest) { recipient: written }: z.output<typeof erasureRequest>,
  ) {
    const person = { tenant: tenant.name, recipient: read(written) };
    const open = await this.transact((tx) => openOf(tx, person));
    for (const id of open) await this.canceler.cancel(tenant.name, id);
    const verifications = await this.transact(async (tx) => {
      await eraseStarts(tx, person.tenant, person.recipient);
      return eraseVerifications(tx, person);
    });
    this.log.info({ tenant: tenant.name, verifications, canceled: open.length }, 'a recipient was erased');
    return { verifications, canceled: open.length };
  }
}

function read(written: string): string {
  if (written.includes('@')) return written.trim().toLowerCase();
  const number = toE164(written);
  if (number.ok) return number.e164;
  const errors = [{ pointer: '#/recipient', detail: 'must be a phone number in E.164, or an email address' }];
  throw new ProblemException(422, 'Unknown recipient', 'The recipient cannot be read', { errors });
}
