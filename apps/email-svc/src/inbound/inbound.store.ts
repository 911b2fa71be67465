import type { EmailReceived, Metadata } from '@signalbox/contracts';
import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Inbound } from './inbound.rules.ts';

/**
 * Finds the email of ours that each answers: by the token of its reply address, else by the message ids in its headers. SendGrid
 * makes the Message-ID of an email of its `X-Message-Id`, which all of one call share; among those it is the one to the person
 * who writes, else, from another address, one that shares it with none.
 */
export async function linkToSent(tx: Transaction, all: readonly Inbound[]): Promise<Inbound[]> {
  const asked = all.flatMap(({ received, answers, answersToken }) => {
    const about = { inbound: received.inboundId, tenant: received.tenant, person: received.from };
    return [
      ...(answersToken === undefined ? [] : [{ ...about, rank: 0, email_id: answersToken, sid: null, smtp_id: null }]),
      ...answers.map((id, index) => ({
        ...about,
        rank: index + 1,
        email_id: null,
        sid: id.split('@', 1)[0] ?? '',
        smtp_id: `<${id}>`,
      })),
    ];
  });
  if (asked.length === 0) return [...all];
  const wanted = columns(asked, {
    inbound: 'uuid',
    tenant: 'text',
    person: 'text',
    rank: 'integer',
    email_id: 'uuid',
    sid: 'text',
    smtp_id: 'text',
  });
  const { rows } = await run<{
    inbound: string;
    rank: number;
    id: string;
    idempotency_key: string;
    correlation_id: string | null;
    metadata: Metadata;
  }>(
    tx,
    `select distinct on (n.inbound) n.inbound, n.rank, e.id, e.idempotency_key, e.correlation_id, e.metadata
     from ${wanted.as('n')} cross join lateral (
       select id from emails where id = n.email_id and tenant = n.tenant
       union all
       (select id from emails where provider_sid = n.sid and recipient = n.person and tenant = n.tenant limit 1)
       union all
       (select email_id from email_smtp_ids where smtp_id = n.smtp_id and tenant = n.tenant limit 1)
       union all
       (select id from emails where provider_sid = n.sid and tenant = n.tenant
          and not exists (select from emails o
                          where o.provider_sid = n.sid and o.tenant = n.tenant and o.id <> emails.id)
        limit 1)
       limit 1) found
     join emails e on e.id = found.id
     order by n.inbound, n.rank`,
    wanted.parameters,
  );
  const found = new Map(rows.map((row) => [row.inbound, row]));
  return all.map((inbound) => {
    const row = found.get(inbound.received.inboundId);
    if (!row) return inbound;
    const inReplyTo: EmailReceived['inReplyTo'] = {
      emailId: row.id,
      idempotencyKey: row.idempotency_key,
      by: row.rank === 0 ? 'token' : 'message_id',
      correlationId: row.correlation_id,
      metadata: row.metadata,
    };
    return { ...inbound, received: { ...inbound.received, inReplyTo } };
  });
}

/** Stores what was not stored before, by the id of its callback, and returns it. */
export async function storeInbound(tx: Transaction, all: readonly Inbound[]): Promise<Inbound[]> {
  // In the order of the unique index, so that two batches cannot wait for each other crosswise.
  const sorted = [...all].sort((a, b) => (a.occurrence < b.occurrence ? -1 : 1));
  const rows = columns(
    sorted,
    {
      id: 'uuid',
      tenant: 'text',
      occurrence: 'text',
      received_at: 'timestamptz',
      sender: 'text',
      recipients: 'jsonb',
      kind: 'text',
      topic: 'text',
      in_reply_to: 'uuid',
      email: 'jsonb',
    },
    ({ occurrence, received }) => ({
      id: received.inboundId,
      tenant: received.tenant,
      occurrence,
      received_at: received.at,
      sender: received.from,
      recipients: received.to,
      kind: received.kind,
      topic: received.topic,
      in_reply_to: received.inReplyTo?.emailId ?? null,
      email: received,
    }),
  );
  const { rows: stored } = await run<{ id: string }>(
    tx,
    `insert into inbound_emails (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint inbound_emails_occurrence do nothing returning id`,
    rows.parameters,
  );
  const fresh = new Set(stored.map(({ id }) => id));
  return all.filter(({ received }) => fresh.has(received.inboundId));
}

/** What a redaction leaves of an email: who wrote to whom, when, and what it answers. */
const withoutContent = `'{"subject": null, "text": null, "html": null, "textBlob": null, "htmlBlob": null, "raw": null, "attachments": []}'`;

/** Notes the blobs of the emails in `gone`, so that they are deleted once this is committed. */
const noteBlobs = `
  insert into blob_deletions (key, since)
  select distinct k.key, now() from gone cross join lateral (
    select a ->> 'blob' from jsonb_array_elements(gone.email -> 'attachments') as list (a)
    union all values (gone.email ->> 'textBlob'), (gone.email ->> 'htmlBlob'), (gone.email #>> '{raw,blob}')) k (key)
  where k.key is not null
  on conflict do nothing`;

/** Takes the content out of what is older, attachments included; returns how many. */
export async function redactInbound(tx: Transaction, tenant: string, before: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with gone as materialized (
       select id, email from inbound_emails where tenant = $1 and received_at < $2 and redacted_at is null
       order by received_at limit $3 for update skip locked),
     blobs as (${noteBlobs})
     update inbound_emails i set redacted_at = now(), email = i.email || ${withoutContent} from gone where i.id = gone.id`,
    [tenant, before, limit],
  );
  return affected;
}

/** Takes a person out of what they wrote; returns how many, up to `limit`. */
export async function eraseInbound(
  tx: Transaction,
  { tenant, address }: { readonly tenant: string; readonly address: string },
  erasure: string,
  limit: number,
): Promise<number> {
  return eraseFound(
    tx,
    `id in (
       select id from inbound_emails where tenant = $2 and sender = $3
       union select id from inbound_emails where tenant = $2 and lower(left(email ->> 'envelopeFrom', 320)) = $3 limit $4)`,
    [`erased:${erasure}`, tenant, address, limit],
  );
}

/** Takes out of answers to these emails what is in them, whoever wrote them: a report of a bounce names its recipient. */
export async function eraseReplies(tx: Transaction, emailIds: readonly string[], erasure: string): Promise<number> {
  return eraseFound(tx, `in_reply_to = any($2) and sender <> $1`, [`erased:${erasure}`, emailIds]);
}

/** @param values the first is what stands in the place of the address */
async function eraseFound(tx: Transaction, condition: string, values: readonly unknown[]): Promise<number> {
  const { affected } = await run(
    tx,
    `with gone as materialized (select id, email from inbound_emails where ${condition} order by id for update),
     blobs as (${noteBlobs})
     update inbound_emails i
     set redacted_at = now(), sender = $1,
       email = i.email || ${withoutContent}
         || jsonb_build_object('from', $1::text, 'fromName', null, 'envelopeFrom', '', 'messageId', null, 'dkim', '[]'::jsonb)
         || case when jsonb_typeof(i.email -> 'inReplyTo') = 'object'
              then jsonb_build_object('inReplyTo', i.email -> 'inReplyTo' || '{"metadata": {}}') else '{}' end
     from gone where i.id = gone.id`,
    values,
  );
  return affected;
}

/** Deletes what is older, with the attachments of what was not redacted before. */
export async function deleteInbound(tx: Transaction, tenant: string, before: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with gone as materialized (
       select id, email from inbound_emails where tenant = $1 and received_at < $2
       order by received_at limit $3 for update skip locked),
     blobs as (${noteBlobs})
     delete from inbound_emails i using gone where i.id = gone.id`,
    [tenant, before, limit],
  );
  return affected;
}
