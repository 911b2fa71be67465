import { columns, run, type Transaction } from '@signalbox/persistence';

/** Longer than Kafka and the provider keep anything that could come again. */
const keptDays = 30;

/** Of these events those that their tenant never told before; from now on they are known. */
export async function firstSeen<Event extends { readonly id: string; readonly data: { readonly tenant: string } }>(
  tx: Transaction,
  events: readonly Event[],
  now: Date,
): Promise<Event[]> {
  if (events.length === 0) return [];
  const byKey = new Map(events.map((event) => [keyOf(event.data.tenant, event.id), event]));
  // In one order everywhere, so that two batches with common events cannot deadlock.
  const sorted = [...byKey.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
  const rows = columns(sorted, { tenant: 'text', event_id: 'text', at: 'timestamptz' }, ([, { id, data }]) => ({
    tenant: data.tenant,
    event_id: id,
    at: now.toISOString(),
  }));
  const { rows: inserted } = await run<{ tenant: string; event_id: string }>(
    tx,
    `insert into voice_events_seen (${rows.names}) select * from ${rows.as('n')}
     on conflict (tenant, event_id) do nothing returning tenant, event_id`,
    rows.parameters,
  );
  const first = new Set(inserted.map(({ tenant, event_id }) => keyOf(tenant, event_id)));
  return events.filter(({ id, data }) => first.delete(keyOf(data.tenant, id)));
}

const keyOf = (tenant: string, eventId: string) => `${tenant} ${eventId}`;

/** Forgets what cannot come again. @returns whether there may be more of it */
export async function forgetOld(tx: Transaction, now: Date, limit: number): Promise<boolean> {
  const { rows } = await run(
    tx,
    `delete from voice_events_seen where (tenant, event_id) in (
       select tenant, event_id from voice_events_seen where at < $1::timestamptz - interval '${keptDays} days' limit $2) returning 1`,
    [now, limit],
  );
  return rows.length >= limit;
}
