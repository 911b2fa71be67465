import { Readable } from 'node:stream';
import { Controller, Get, StreamableFile } from '@nestjs/common';
import { ZodQuery } from '@signalbox/service';
import { z } from 'zod';
import { jsonList } from '../control-api/json-list.ts';
import { acceptedCall } from './accepted-calls.ts';
import { CallLedger } from './call.ts';

const callsQuery = z.object({
  to: z.string().optional(),
  limit: z.coerce.number().int().min(0).default(1_000_000),
});

@Controller('_sim')
export class VoiceControlController {
  constructor(private readonly ledger: CallLedger) {}

  /** Every call, those of people who call in and the legs of a Dial too, oldest first. */
  @Get('calls')
  calls(@ZodQuery(callsQuery) { to, limit }: z.output<typeof callsQuery>): StreamableFile {
    const list = jsonList(this.ledger.oldestFirst(to), limit, acceptedCall);
    return new StreamableFile(Readable.from(list, { objectMode: false }), { type: 'application/json; charset=utf-8' });
  }
}
