import { columns, run, type Transaction } from '@signalbox/persistence';

/** Longer than Kafka and the provider keep anything that could come again. */
const keptDays = 30;

/** Of these events those that were never seen before; from now on they have been. */
export async function firstSeen<Event extends { readonly id: string }>(
  tx: Transaction,
  events: readonly Event[],
  now: Date,
): Promise<Event[]> {
  if (events.length === 0) return [];
  const ids = [...new Set(events.map(({ id }) => id))].sort();
  const rows = columns(ids, { event_id: 'text', at: 'timestamptz' }, (id) => ({ event_id: id, at: now.toISOString() }));
  const { rows: inserted } = await run<{ event_id: string }>(
    tx,
    `insert into voice_events_seen (${rows.names}) select * from ${rows.as('n')}
     on conflict (event_id) do nothing returning event_id`,
    rows.parameters,
  );
  const first = new Set(inserted.map(({ event_id }) => event_id));
  return events.filter(({ id }) => first.delete(id));
}

/** Forgets what cannot come again. @returns whether there may be more of it */
export async function forgetOld(tx: Transaction, now: Date, limit: number): Promise<boolean> {
  const { rows } = await run(
    tx,
    `delete from voice_events_seen where event_id in (
       select event_id from voice_events_seen where at < $1::timestamptz - interval '${keptDays} days' limit $2) returning 1`,
    [now, limit],
  );
  return rows.length >= limit;
}
