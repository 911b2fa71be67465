import { type EventOf, type topics } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';

export type Callback = EventOf<typeof topics.sendgridEventCallbacks>;

/** How long after its arrival an event is looked at again; twice as long each time. */
const firstLook = `interval '1 second'`;

/** After this long nobody looks again: the email is another system's, or was erased. */
const lookedAtFor = `interval '1 day'`;

/** Keeps events that speak of no email of ours, or not yet: they may overtake the answer to their call. */
export async function keepUnmatched(tx: Transaction, callbacks: readonly Callback[]): Promise<void> {
  if (callbacks.length === 0) return;
  const rows = columns(
    callbacks,
    { event_id: 'text', tenant: 'text', received_at: 'timestamptz', callback: 'jsonb' },
    ({ id, data }) => ({ event_id: id, tenant: data.tenant, received_at: data.receivedAt, callback: data }),
  );
  await run(
    tx,
    `insert into unmatched_events (${rows.names}, look_at) select ${rows.names}, now() + ${firstLook} from ${rows.as('n')}
     order by event_id on conflict do nothing`,
    rows.parameters,
  );
}

/** Takes events that are to be looked at again, and puts off the next look. */
export async function takeUnmatched(tx: Transaction, limit: number): Promise<Callback[]> {
  const { rows } = await run<{ event_id: string; callback: Callback['data'] }>(
    tx,
    `update unmatched_events u
     set look_at = case when received_at > now() - ${lookedAtFor} then now() + greatest(${firstLook}, now() - received_at) end
     from (select event_id from unmatched_events where look_at <= now() order by look_at limit $1 for update skip locked) due
     where u.event_id = due.event_id
     returning u.event_id, u.callback`,
    [limit],
  );
  return rows.map(({ event_id: id, callback: data }): Callback => {
    return { id, source: '', type: 'sendgrid.email.event.v1', time: data.receivedAt, data };
  });
}

export async function removeUnmatched(tx: Transaction, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length > 0) await run(tx, 'delete from unmatched_events where event_id = any($1)', [eventIds]);
}

/** Events that nobody looks at any more, a week after they came; returns how many, up to `limit`. */
export async function sweepUnmatched(tx: Transaction, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `delete from unmatched_events where event_id in (
       select event_id from unmatched_events where received_at < now() - interval '7 days' limit $1)`,
    [limit],
  );
  return affected;
}
