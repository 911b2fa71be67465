import { columns, jsonb, run, runPrepared, type Transaction } from '@signalbox/persistence';

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

/** Something that may be found again and again, and is a line of the history once. */
export interface Finding {
  readonly messageId: string;
  readonly at: Date;
  readonly kind: 'in_doubt';
  readonly eventId: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Writes the line unless it is there already; returns when it was first told. */
export async function tellOnce(tx: Transaction, { messageId, at, kind, eventId, detail }: Finding): Promise<Date> {
  await run(
    tx,
    `insert into message_history (message_id, at, kind, event_id, detail) values ($1, $2, $3, $4, $5)
     on conflict (message_id, event_id) do nothing`,
    [messageId, at, kind, eventId, jsonb(detail)],
  );
  const { rows } = await run<{ at: Date }>(
    tx,
    'select at from message_history where message_id = $1 and event_id = $2',
    [messageId, eventId],
  );
  return rows[0]?.at ?? at;
}
