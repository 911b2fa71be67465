import { columns, run, runPrepared, type Transaction } from '@signalbox/persistence';

/** A line of a message's story that is no state change: what came from outside. */
export interface HistoryLine {
  readonly messageId: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly kind: 'provider_status' | 'fallback' | 'in_doubt';
  /** The CloudEvents id of what it tells; a line with the same one is written once per message. */
  readonly eventId: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Which of these events the messages have in their history already: they are repeats. Callers hold the messages' locks. */
export async function knownEvents(
  tx: Transaction,
  events: readonly { messageId: string; eventId: string }[],
): Promise<Set<string>> {
  if (events.length === 0) return new Set();
  const wanted = columns(events, { message_id: 'uuid', event_id: 'text' }, (event) => ({
    message_id: event.messageId,
    event_id: event.eventId,
  }));
  const { rows } = await runPrepared<{ message_id: string; event_id: string }>(
    tx,
    `select h.message_id, h.event_id from message_history h
     join ${wanted.as('n')} on h.message_id = n.message_id and h.event_id = n.event_id`,
    wanted.parameters,
  );
  return new Set(rows.map((row) => eventKey(row.message_id, row.event_id)));
}

export function eventKey(messageId: string, eventId: string): string {
  return `${messageId} ${eventId}`;
}

/** When the history first told of this event; undefined when it does not. */
export async function firstTold(tx: Transaction, messageId: string, eventId: string): Promise<Date | undefined> {
  const { rows } = await run<{ at: Date }>(
    tx,
    'select at from message_history where message_id = $1 and event_id = $2',
    [messageId, eventId],
  );
  return rows[0]?.at;
}

export async function writeHistory(tx: Transaction, lines: readonly HistoryLine[]): Promise<void> {
  if (lines.length === 0) return;
  const rows = columns(
    lines,
    { message_id: 'uuid', at: 'timestamptz', kind: 'text', event_id: 'text', detail: 'jsonb' },
    (line) => ({
      message_id: line.messageId,
      at: line.at,
      kind: line.kind,
      event_id: line.eventId,
      detail: line.detail,
    }),
  );
  await run(
    tx,
    `insert into message_history (${rows.names}) select * from ${rows.as('n')} on conflict (message_id, event_id) do nothing`,
    rows.parameters,
  );
}
