import { context, propagation } from '@opentelemetry/api';
import { toHeaders, type CloudEvent } from '@signalbox/contracts';
import { columns } from './columns.ts';
import { runPrepared, type Transaction } from './transaction.ts';
import type { Write } from './write.ts';

export interface OutgoingEvent {
  readonly topic: string;
  readonly key: string;
  readonly event: CloudEvent;
}

/** Bytes of key and JSON data: under Kafka's default `max.message.bytes` (1 MiB) with room for headers. */
const maxEventBytes = 900_000;

/** An event no broker would take: refused while its transaction can still fail, as in the outbox it would block all others. */
export class EventTooLarge extends RangeError {
  constructor(topic: string, type: string, bytes: number) {
    super(`${type} for ${topic} has ${bytes} bytes; at most ${maxEventBytes} are possible`);
    this.name = 'EventTooLarge';
  }
}

export class Outbox {
  /**
   * Writes events in the caller's transaction, as one statement; `OutboxRelay` publishes them after the commit, in the order of
   * the array.
   *
   * Events of one key keep their order across transactions and replicas only if those hold a lock on the aggregate's
   * row until they commit (`select … for update`): then the later transaction gets its ids, and becomes visible, after the
   * earlier one. Without that lock nothing orders two transactions.
   *
   * The active trace context is added to events that carry none. Throws `EventTooLarge`.
   */
  async append(tx: Transaction, events: readonly OutgoingEvent[]): Promise<void> {
    const write = this.write(events)?.(1);
    if (write) await runPrepared(tx, write.sql, write.parameters);
  }

  /** What `append` would run, to be a part of a larger statement: see `writeAll`. */
  write(events: readonly OutgoingEvent[]): Write {
    if (events.length === 0) return undefined;
    const rows = columns(events, { topic: 'text', key: 'text', headers: 'jsonb', value: 'text' }, toRow);
    return (first) => ({
      // An INSERT from `unnest` alone takes the rows, and with them the ids, in the order of the arrays.
      sql: `insert into outbox (${rows.names}) select ${rows.names} from ${rows.as('event', first)}`,
      parameters: rows.parameters,
    });
  }
}

function toRow({ topic, key, event }: OutgoingEvent) {
  const value = JSON.stringify(event.data);
  const bytes = Buffer.byteLength(value) + Buffer.byteLength(key);
  if (bytes > maxEventBytes) throw new EventTooLarge(topic, event.type, bytes);
  const headers = toHeaders(event);
  if (!headers['traceparent']) propagation.inject(context.active(), headers);
  return { topic, key, headers, value };
}
