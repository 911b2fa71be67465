import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Inbound } from './inbound.rules.ts';

/** Stores what was not stored before and returns it: the provider's id is what makes a message the same. */
export async function storeInbound(tx: Transaction, received: readonly Inbound[]): Promise<Inbound[]> {
  const types = {
    id: 'uuid',
    tenant: 'text',
    provider_sid: 'text',
    channel: 'text',
    sender: 'text',
    recipient: 'text',
    body: 'text',
    media: 'jsonb',
    opt_out_type: 'text',
    in_reply_to: 'uuid',
    received_at: 'timestamptz',
  } as const;
  const rows = columns(received, types, ({ data }) => ({
    id: data.messageId,
    tenant: data.tenant,
    provider_sid: data.providerSid,
    channel: data.channel,
    sender: data.from,
    recipient: data.to,
    body: data.body,
    media: data.media,
    opt_out_type: data.optOutType,
    in_reply_to: data.inReplyTo,
    received_at: data.at,
  }));
  const { rows: stored } = await run<{ id: string }>(
    tx,
    `insert into inbound_messages (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint inbound_messages_provider_sid do nothing returning id`,
    rows.parameters,
  );
  const fresh = new Set(stored.map(({ id }) => id));
  return received.filter(({ data }) => fresh.has(data.messageId));
}

/**
 * Links each message to our last one to that person, from the sender or the messaging service they wrote to. One that was
 * handed over counts, sent or not: a reply can overtake every callback.
 */
export async function linkToOutbound(tx: Transaction, received: readonly Inbound[]): Promise<Inbound[]> {
  const types = {
    id: 'uuid',
    tenant: 'text',
    person: 'text',
    sender: 'text',
    service: 'text',
    at: 'timestamptz',
  } as const;
  const asked = columns(received, types, ({ data, messagingServiceSid }) => ({
    id: data.messageId,
    tenant: data.tenant,
    person: data.from,
    sender: data.to,
    service: messagingServiceSid,
    at: data.at,
  }));
  const { rows } = await run<{ id: string; message_id: string }>(
    tx,
    `select n.id, m.id as message_id from ${asked.as('n')}
     cross join lateral (
       select id from messages
       where tenant = n.tenant and recipient = n.person and created_at <= n.at and attempt > 0
         and (sender = n.sender or messaging_service_sid = n.service)
       order by created_at desc, id desc limit 1
     ) m`,
    asked.parameters,
  );
  const last = new Map(rows.map((row) => [row.id, row.message_id]));
  return received.map(({ data, ...rest }) => ({
    ...rest,
    data: { ...data, inReplyTo: last.get(data.messageId) ?? null },
  }));
}
