import type { CloudEvent, TwilioMessageStatus } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';
import { callbackOutcomes } from '../metrics.ts';

/** Keeps callbacks that speak of no message of ours: another system on the same account, or one erased since. */
export async function keepUnmatched(
  tx: Transaction,
  callbacks: readonly CloudEvent<TwilioMessageStatus>[],
): Promise<void> {
  if (callbacks.length === 0) return;
  callbackOutcomes.inc({ outcome: 'unmatched' }, callbacks.length);
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
  await run(
    tx,
    `insert into unmatched_callbacks (${rows.names}) select * from ${rows.as('n')} on conflict do nothing`,
    rows.parameters,
  );
}
