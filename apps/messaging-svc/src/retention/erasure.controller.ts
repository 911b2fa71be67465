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
import { toE164 } from '@signalbox/twilio';
import { z } from 'zod';
import { readRecipient } from '../suppression/written.rules.ts';
import { erase, type Erasure } from './erase.ts';

const erasureRequest = z
  .object({
    recipient: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: 'The person, by number: E.164', examples: ['+14155550199'] }),
  })
  .meta({ id: 'ErasureRequest' });

const erasure = z
  .object({
    erasureId: z.uuid(),
    requestedAt: timestamp,
    messages: z.int().meta({ description: 'Erased now; what was still waiting to be sent is canceled' }),
    inbound: z.int(),
    deferred: z.int().meta({ description: 'With the provider at this moment; erased as soon as they have ended' }),
    optedOut: z.boolean().meta({ description: 'Whether an opt-out stands; it outlives the erasure' }),
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
    summary: 'Erase a person, by number, from all messages of the tenant',
    description:
      'Number, texts, media, variables, metadata and fallbacks go; that something was sent, when, and what became of it ' +
      'stays. So does an opt-out, without its details. Doing it again erases what came since. Each request is on record.',
  })
  @ZodResponse(200, erasure)
  async erase(
    @CurrentTenant() tenant: Tenant,
    @ZodBody(erasureRequest) { recipient }: z.output<typeof erasureRequest>,
    @Req() request: { tokenHolder?: TokenHolder & { name?: string } },
  ): Promise<Erasure> {
    const read = readRecipient(recipient, undefined, toE164);
    if (!read.ok) {
      const errors = [{ pointer: '#/recipient', detail: read.detail }];
      throw new ProblemException(422, 'Unknown recipient', 'The recipient cannot be read', { errors });
    }
    const requestedBy = request.tokenHolder?.name ?? 'unnamed token';
    const done = await erase(
      this.#transact,
      { tenant: tenant.name, recipient: read.value.recipient, requestedBy },
      new Date(),
    );
    this.#log.info({ tenant: tenant.name, requestedBy, ...done }, 'a recipient was erased');
    return done;
  }
}
