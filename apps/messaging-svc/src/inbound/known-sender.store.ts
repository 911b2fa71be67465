import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Inbound } from './inbound.rules.ts';

/** Remembers to which sender each person wrote last, per messaging service. */
export async function rememberSenders(tx: Transaction, received: readonly Inbound[]): Promise<void> {
  const last = new Map(
    received.map((inbound) => [`${inbound.data.tenant} ${inbound.messagingServiceSid} ${inbound.data.from}`, inbound]),
  );
  if (last.size === 0) return;
  const types = {
    tenant: 'text',
    person: 'text',
    messaging_service_sid: 'text',
    sender: 'text',
    last_inbound_at: 'timestamptz',
  } as const;
  const rows = columns(last.values(), types, ({ data, messagingServiceSid }) => ({
    tenant: data.tenant,
    person: data.from,
    messaging_service_sid: messagingServiceSid ?? '',
    sender: data.to,
    last_inbound_at: data.at,
  }));
  await run(
    tx,
    `insert into conversations as c (${rows.names})
     select ${rows.names} from ${rows.as('n')} order by tenant, person, messaging_service_sid
     on conflict (tenant, person, messaging_service_sid)
     do update set sender = excluded.sender, last_inbound_at = excluded.last_inbound_at
     where c.last_inbound_at <= excluded.last_inbound_at`,
    rows.parameters,
  );
}

export interface Person {
  readonly tenant: string;
  /** E.164, `whatsapp:` kept. */
  readonly address: string;
}

/**
 * Which plain sender each person knows: the one they last wrote to, else the one we last wrote from. Within a messaging
 * service the provider keeps to one sender itself.
 */
export async function knownSenders(tx: Transaction, people: readonly Person[]): Promise<Map<string, string>> {
  if (people.length === 0) return new Map();
  const asked = columns(people, { tenant: 'text', address: 'text' });
  const { rows } = await run<{ tenant: string; address: string; sender: string }>(
    tx,
    `select distinct n.tenant, n.address, coalesce(c.sender, m.sender) as sender from ${asked.as('n')}
     left join conversations c on c.tenant = n.tenant and c.person = n.address and c.messaging_service_sid = ''
     left join lateral (
       select sender from messages
       where tenant = n.tenant and recipient = n.address and sender is not null and attempt > 0
       order by created_at desc, id desc limit 1
     ) m on c.sender is null
     where coalesce(c.sender, m.sender) is not null`,
    asked.parameters,
  );
  return new Map(rows.map((row) => [personKey(row), row.sender]));
}

export function personKey({ tenant, address }: Person): string {
  return `${tenant} ${address}`;
}
