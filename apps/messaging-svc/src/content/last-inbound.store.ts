import { columns, run, type Transaction } from '@signalbox/persistence';
import type { LastInbound } from './whatsapp.rules.ts';

/** When these people, by their WhatsApp addresses, wrote to us within the last day; one statement. */
export async function lastInbound(
  tx: Transaction,
  asking: readonly { tenant: string; to: string }[],
  now: Date,
): Promise<LastInbound[]> {
  if (asking.length === 0) return [];
  const people = columns(asking, { tenant: 'text', person: 'text' }, ({ tenant, to }) => ({ tenant, person: to }));
  const { rows } = await run<{ tenant: string; person: string; ours: string; at: Date }>(
    tx,
    `select i.tenant, i.sender as person, i.recipient as ours, max(i.received_at) as at
     from (select distinct tenant, person from ${people.as('n', 2)}) asked
     join inbound_messages i on i.tenant = asked.tenant and i.sender = asked.person
     where i.channel = 'whatsapp' and i.received_at > $1::timestamptz - interval '1 day'
     group by i.tenant, i.sender, i.recipient`,
    [now, ...people.parameters],
  );
  return rows;
}
