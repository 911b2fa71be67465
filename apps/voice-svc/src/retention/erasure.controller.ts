import { Controller, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { timestamp } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  type TokenHolder,
  ZodBody,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import type { Tenant } from '@signalbox/tenants';
import { z } from 'zod';
import { recipientOf } from '../acceptance/accept.rules.ts';
import { erase, type Erasure } from './erase.ts';

const erasureRequest = z
  .object({
    recipient: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: 'The person, by number (E.164), SIP or client address', examples: ['+14155550199'] }),
  })
  .meta({ id: 'ErasureRequest' });

const erasure = z
  .object({
    erasureId: z.uuid(),
    requestedAt: timestamp,
    calls: z.int().meta({ description: 'Erased now; what was still waiting to be placed is canceled' }),
    deferred: z.int().meta({ description: 'With the provider at this moment; erased as soon as they have ended' }),
    otherCalls: z.int().meta({ description: 'Calls they made or got that were not placed here; erased now' }),
    recordings: z.int().meta({
      description:
        'In which they are heard; deleted at the provider from now on, voice.recording.changed.v1 has the proof',
    }),
  })
  .meta({ id: 'Erasure' });

@ApiTags('erasures')
@Controller('v1/erasures')
@UseGuards(ApiTokenGuard)
@Scopes('admin')
export class ErasureController {
  readonly #transact: Transact;
  readonly #log: Logger;

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(LOGGER) log: Logger) {
    this.#transact = transact;
    this.#log = log;
  }

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Erase a person, by number, from all calls of the tenant',
    description:
      'Numbers, texts, metadata, what they have said or pressed in flows, and the recordings of their calls go; that there ' +
      'was a call, when, and what became of it stays. Doing it again erases what came since. Each request is on record.',
  })
  @ZodResponse(200, erasure)
  async erase(
    @CurrentTenant() tenant: Tenant,
    @ZodBody(erasureRequest) { recipient: written }: z.output<typeof erasureRequest>,
    @Req() request: { tokenHolder?: TokenHolder & { name?: string } },
  ): Promise<Erasure> {
    const recipient = recipientOf(written);
    if (recipient === undefined) {
      const errors = [{ pointer: '#/recipient', detail: 'must be a phone number in E.164, a SIP or a client address' }];
      throw new ProblemException(422, 'Unknown recipient', 'The recipient cannot be read', { errors });
    }
    // Every call has one of them: all recordings of the tenant would be deleted.
    if (isOwn(tenant, recipient)) {
      const errors = [{ pointer: '#/recipient', detail: 'is a number of the tenant' }];
      throw new ProblemException(422, 'Own number', 'The recipient is nobody whom the tenant calls', { errors });
    }
    const requestedBy = request.tokenHolder?.name ?? 'unnamed token';
    const done = await erase(this.#transact, { tenant: tenant.name, recipient, requestedBy }, new Date());
    this.#log.info({ tenant: tenant.name, requestedBy, ...done }, 'a recipient was erased');
    return done;
  }
}

/** It calls from it, or is called at it. */
function isOwn({ senders, voice }: Tenant, address: string): boolean {
  return senders.includes(address) || Object.hasOwn(voice?.numbers ?? {}, address);
}
