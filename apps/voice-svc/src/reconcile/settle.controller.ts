import { Controller, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { callState } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  LOGGER,
  ProblemException,
  Scopes,
  type TokenHolder,
  ZodBody,
  ZodParam,
  ZodResponse,
} from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { z } from 'zod';
import { settleInDoubt } from './settle.ts';

const settlement = z
  .object({
    as: z.enum(['repeat', 'failed']).meta({
      description:
        'repeat: it is placed again, and the recipient is called twice if the provider took it after all; failed: it ends',
    }),
  })
  .meta({ id: 'CallSettlement' });

const settled = z.object({ callId: z.uuid(), state: callState }).meta({ id: 'SettledCall' });

@ApiTags('calls')
@Controller('v1/calls')
@UseGuards(ApiTokenGuard)
@Scopes('admin')
export class SettleController {
  readonly #transact: Transact;
  readonly #dispatcher: Pick<Dispatcher, 'nudge'>;
  readonly #log: Logger;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(Dispatcher) dispatcher: Dispatcher,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#dispatcher = dispatcher;
    this.#log = log;
  }

  @Post(':id/settle')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Say what becomes of a call in doubt',
    description:
      'For a call of which Signalbox cannot find out whether the provider took it (its last attempt is `in_doubt`). Look in ' +
      "the provider's own log first. The history of the call keeps who decided what, and when.",
  })
  @ZodResponse(200, settled)
  async settle(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', z.uuid()) callId: string,
    @ZodBody(settlement) { as }: z.output<typeof settlement>,
    @Req() request: { tokenHolder?: TokenHolder & { name?: string } },
  ) {
    const by = request.tokenHolder?.name ?? 'unnamed token';
    const result = await this.#transact((tx) => settleInDoubt(tx, { tenant: tenant.name, callId, as, by }, new Date()));
    if (result.kind === 'unknown') {
      throw new ProblemException(404, 'Not Found', 'This tenant has no call with this id');
    }
    if (result.kind === 'not_in_doubt') {
      const detail = `The call is ${result.state}, and no attempt of it is in doubt`;
      throw new ProblemException(409, 'Not in doubt', detail, { state: result.state });
    }
    this.#log.warn({ tenant: tenant.name, callId, as, by }, 'a call in doubt was settled by an operator');
    this.#dispatcher.nudge();
    return { callId, state: result.state };
  }
}
