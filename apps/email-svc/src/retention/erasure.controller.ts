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
import { z } from 'zod';
import { readAddress } from '../email/address.rules.ts';
import { erase, type Erasure } from './erase.ts';

const erasureRequest = z
  .object({
    recipient: z
      .string()
      .min(1)
      .max(320)
      .meta({ description: 'The person, by email address', examples: ['a@example.com'] }),
  })
  .meta({ id: 'ErasureRequest' });

const erasure = z
  .object({
    erasureId: z.uuid(),
    requestedAt: timestamp,
    emails: z.int().meta({ description: 'Erased now; what was still waiting to be sent is canceled' }),
    inbound: z.int().meta({ description: 'Received emails: what they wrote, and answers to what was sent to them' }),
    deferred: z.int().meta({ description: 'In a call to SendGrid at this moment; erased as soon as that has ended' }),
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
    summary: 'Erase a person, by address, from all emails of the tenant',
    description:
      'Address, name, subjects, contents, template data, metadata and what servers said of them go, and what they wrote, with ' +
      'its attachments. That something was sent, when, and what became of it stays. So does an opt-out, without its details. ' +
      'Doing it again erases what came since. Each request is on record.',
  })
  @ZodResponse(200, erasure)
  async erase(
    @CurrentTenant() tenant: { name: string },
    @ZodBody(erasureRequest) { recipient }: z.output<typeof erasureRequest>,
    @Req() request: { tokenHolder?: TokenHolder & { name?: string } },
  ): Promise<Erasure> {
    const address = readAddress(recipient)?.email;
    if (address === undefined) {
      const errors = [{ pointer: '#/recipient', detail: 'not an email address' }];
      throw new ProblemException(422, 'Unknown recipient', 'The recipient cannot be read', { errors });
    }
    const requestedBy = request.tokenHolder?.name ?? 'unnamed token';
    const done = await erase(this.#transact, { tenant: tenant.name, address, requestedBy }, new Date());
    this.#log.info({ tenant: tenant.name, requestedBy, ...done }, 'a recipient was erased');
    return done;
  }
}
