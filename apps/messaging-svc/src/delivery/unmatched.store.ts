import type { CloudEvent, TwilioMessageStatus } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';

/** Keeps callbacks that speak of no message of ours (another system on the account, or one erased since); returns the new ones. */
export async function keepUnmatched<Callback extends CloudEvent<TwilioMessageStatus>>(
  tx: Transaction,
  callbacks: readonly Callback[],
): Promise<Callback[]> {
  if (callbacks.length === 0) return [];
  const rows = columns(
    callbacks,
    { event_id: 'text', tenant: 'text', provider_sid: 'text', received_at: 'timestamptz', callback: 'jsonb' },
    ({ id, data }) => ({
      event_id: id,
      tenant: data.tenant,
      provider_sid: data.resourceSid,
      received_at: data.receivedAt,
      callback: data,
    }),
  );
  const { rows: kept } = await run<{ tenant: string; event_id: string }>(
    tx,
    `insert into unmatched_callbacks (${rows.names}) select * from ${rows.as('n')} on conflict do nothing
     returning tenant, event_id`,
    rows.parameters,
  );
  const fresh = new Set(kept.map(({ tenant, event_id }) => `${tenant} ${event_id}`));
  return callbacks.filter(({ id, data }) => fresh.delete(`${data.tenant} ${id}`));
}
