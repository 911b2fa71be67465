import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { timestamp } from '@signalbox/contracts';
import { ApiTokenGuard, CurrentTenant, Scopes, ZodParam, ZodResponse } from '@signalbox/service';
import { DataSource } from 'typeorm';
import { z } from 'zod';

export const waitingCalls = z
  .object({
    queue: z.string(),
    size: z.int(),
    waiting: z
      .array(z.object({ callSid: z.string(), callId: z.uuid().nullable(), flow: z.string(), since: timestamp }))
      .meta({ description: 'Who has waited longest is first; at most a thousand' }),
  })
  .meta({ id: 'WaitingCalls' });

interface Row {
  readonly call_sid: string;
  readonly call_id: string | null;
  readonly flow: string;
  readonly updated_at: Date;
}

@ApiTags('queues')
@Controller('v1/queues')
@UseGuards(ApiTokenGuard)
export class QueueController {
  readonly #db: DataSource;

  constructor(@Inject(DataSource) db: DataSource) {
    this.#db = db;
  }

  @Get(':queue')
  @Scopes('read')
  @ApiOperation({
    summary: 'Who waits in a queue',
    description:
      'As the calls have told so far. An agent takes the next caller by a call of their own, to or from them, with a flow that has an agent node.',
  })
  @ZodResponse(200, waitingCalls)
  async waiting(
    @CurrentTenant() { name: tenant }: { name: string },
    @ZodParam('queue', z.string().min(1).max(64)) queue: string,
  ) {
    const rows = await this.#db.query<Row[]>(
      `select call_sid, call_id, flow, updated_at from flow_sessions
       where tenant = $1 and queue = $2 order by updated_at, call_sid limit 1000`,
      [tenant, queue],
    );
    return {
      queue,
      size: rows.length,
      waiting: rows.map(({ call_sid, call_id, flow, updated_at }) => ({
        callSid: call_sid,
        callId: call_id,
        flow,
        since: updated_at.toISOString(),
      })),
    };
  }
}
