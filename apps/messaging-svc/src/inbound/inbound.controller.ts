import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { messageReceived, timestamp } from '@signalbox/contracts';
import { ApiTokenGuard, CurrentTenant, cursorParameter, Scopes, ZodQuery, ZodResponse } from '@signalbox/service';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { listInbound } from './inbound.queries.ts';

const inboundQuery = z.object({
  from: z.string().min(1).max(200).optional().meta({ description: 'The person, E.164 or whatsapp:+E.164' }),
  cursor: cursorParameter.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const inboundPage = z
  .object({
    messages: z.array(
      messageReceived
        .extend({
          redactedAt: timestamp
            .nullable()
            .meta({ description: 'When text and media were taken out: retention, or an erasure' }),
        })
        .meta({ id: 'InboundMessage', description: 'What a person wrote to one of our senders' }),
    ),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'InboundPage' });

@ApiTags('inbound')
@Controller('v1/inbound')
@UseGuards(ApiTokenGuard)
export class InboundController {
  readonly #db: DataSource;

  constructor(@Inject(DataSource) db: DataSource) {
    this.#db = db;
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ operationId: 'listInbound', summary: 'What people have sent us, newest first' })
  @ZodResponse(200, inboundPage)
  async list(@CurrentTenant() tenant: { name: string }, @ZodQuery(inboundQuery) query: z.output<typeof inboundQuery>) {
    return listInbound(this.#db, tenant.name, { from: query.from, after: query.cursor, limit: query.limit });
  }
}
