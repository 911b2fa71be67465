import { onCommit, run, type Transaction } from '@signalbox/persistence';
import { attempts } from '../dispatch/attempt.store.ts';
import { lock, save } from '../email/email.store.ts';
import { eraseReplies } from '../inbound/inbound.store.ts';
import { countSteps } from '../metrics.ts';
import { end, type EndedBy, erasedName } from './retention.rules.ts';

/**
 * What takes personal data out of the tables, in batches that are bounded and found by an index. Rows of emails are locked in id
 * order, as everywhere.
 */

/** Everyone with emails, sent or received, in the tenant file or not; skips from name to name in the indexes. */
export async function tenantsWithData(tx: Transaction): Promise<string[]> {
  const { rows } = await run<{ tenant: string }>(
    tx,
    `with recursive e as (
       select min(tenant) as tenant from emails
       union all select (select min(tenant) from emails where tenant > e.tenant) from e where e.tenant is not null),
     i as (
       select min(tenant) as tenant from inbound_emails
       union all
       select (select min(tenant) from inbound_emails where tenant > i.tenant) from i where i.tenant is not null)
     select tenant from e where tenant is not null union select tenant from i where tenant is not null`,
  );
  return rows.map(({ tenant }) => tenant);
}

/**
 * Takes the content out of the next emails accepted before the cutoff; one that is still to be sent is put off until it has ended.
 * A mark says how far this came, so that no index has to say which rows are left. Returns how many it has seen to.
 */
export async function redactEmails(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const mark = await readMark(tx, tenant);
  const { rows } = await run<{ id: string; created_at: Date; unsent: boolean }>(
    tx,
    `select id, created_at, unsent from emails
     where tenant = $1 and (created_at, id) > ($2, $3) and created_at < $4 order by created_at, id limit $5`,
    [tenant, mark.at, mark.id, cutoff, limit],
  );
  const last = rows.at(-1);
  if (!last) return 0;
  const idsOf = (unsent: boolean) => rows.filter((row) => row.unsent === unsent).map(({ id }) => id);
  await redact(tx, idsOf(false));
  await defer(tx, idsOf(true), null);
  await run(
    tx,
    `insert into retention_marks (tenant, redacted_until, last_id) values ($1, $2, $3)
     on conflict (tenant) do update set redacted_until = excluded.redacted_until, last_id = excluded.last_id`,
    [tenant, last.created_at, last.id],
  );
  return rows.length;
}

async function readMark(tx: Transaction, tenant: string): Promise<{ readonly at: Date; readonly id: string }> {
  const { rows } = await run<{ redacted_until: Date; last_id: string }>(
    tx,
    'select redacted_until, last_id from retention_marks where tenant = $1',
    [tenant],
  );
  return rows[0]
    ? { at: rows[0].redacted_until, id: rows[0].last_id }
    : { at: new Date(0), id: '00000000-0000-0000-0000-000000000000' };
}

async function redact(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `with locked as materialized (
       select id from emails where id = any($1) and redacted_at is null order by id for no key update)
     update emails e set subject = '', template_data = null, redacted_at = now() from locked where e.id = locked.id`,
    [ids],
  );
}

/** To be redacted, or erased, when they have ended. */
export async function defer(tx: Transaction, ids: readonly string[], erasure: string | null): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `insert into retention_deferred as d (email_id, erasure) select id, $2 from unnest($1::uuid[]) as n (id)
     on conflict (email_id) do update set erasure = excluded.erasure where excluded.erasure is not null`,
    [ids, erasure],
  );
}

/** Sees to what had been put off and has ended since; what is to be erased is not sent any more. Returns how many those were. */
export async function settleDeferred(tx: Transaction, now: Date, limit: number): Promise<number> {
  const { rows } = await run<{ email_id: string; erasure: string | null }>(
    tx,
    `select d.email_id, d.erasure from retention_deferred d join emails e on e.id = d.email_id
     where d.erasure is not null or not e.unsent order by d.email_id limit $1`,
    [limit],
  );
  if (rows.length === 0) return 0;
  const { over } = await endAll(
    tx,
    rows.map(({ email_id }) => email_id),
    'an erasure',
    now,
  );
  const settled = rows.filter(({ email_id }) => over.has(email_id));
  const idsOf = (erasure: string | null) =>
    settled.filter((row) => row.erasure === erasure).map(({ email_id }) => email_id);
  await redact(tx, idsOf(null));
  for (const erasure of new Set(settled.flatMap((row) => row.erasure ?? []))) {
    await eraseEmails(tx, idsOf(erasure), erasure);
  }
  await run(tx, 'delete from retention_deferred where email_id = any($1)', [settled.map(({ email_id }) => email_id)]);
  return settled.length;
}

/** Ends what is still to be sent; tells which are over by now, and which are in a call. */
export async function endAll(
  tx: Transaction,
  ids: readonly string[],
  by: EndedBy,
  now: Date,
): Promise<{ over: Set<string>; inCall: string[] }> {
  const emails = [...(await lock(tx, ids)).values()];
  const open = new Map((await attempts.openOf(tx, ids)).map((attempt) => [attempt.itemId, attempt]));
  const ended = emails.flatMap((email) => end(email, open.get(email.id), by, now) ?? []);
  const steps = ended.map(({ step }) => step);
  await save(tx, steps, [attempts.settled(ended.flatMap(({ attempt }) => attempt ?? []))]);
  onCommit(tx, () => countSteps(steps));
  const over = new Set(steps.map(({ email }) => email.id));
  return { over, inCall: emails.map(({ id }) => id).filter((id) => !over.has(id)) };
}

/** Ends the oldest that wait, or are in doubt, for longer than emails are kept: they would stay for good. */
export async function endOutlived(
  tx: Transaction,
  tenant: string,
  cutoff: Date,
  now: Date,
  limit: number,
): Promise<number> {
  const { rows } = await run<{ id: string }>(
    tx,
    `select id from emails
     where tenant = $1 and created_at < $2 and unsent and (send_at is null or send_at < $2)
     order by created_at, id limit $3`,
    [tenant, cutoff, limit],
  );
  if (rows.length === 0) return 0;
  const { over } = await endAll(
    tx,
    rows.map(({ id }) => id),
    'the retention of the tenant',
    now,
  );
  return over.size;
}

/** Deletes the oldest emails that have ended, or that SendGrid has; attempts and history go with them. */
export async function deleteEmails(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select id from emails where tenant = $1 and created_at < $2 and not unsent order by created_at, id limit $3),
     locked as materialized (select id from emails where id in (select id from old) order by id for update),
     attempts_gone as (delete from attempts a using locked where a.email_id = locked.id)
     delete from emails e using locked where e.id = locked.id`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Emails to a person, and those whose answers they were to get, that are not erased already. */
export async function emailsOf(tx: Transaction, tenant: string, address: string, limit: number): Promise<string[]> {
  const { rows } = await run<{ id: string }>(
    tx,
    `select id from (
       select id from emails where tenant = $1 and recipient = $2
       union
       select id from emails
       where tenant = $1 and reply_to is not null and coalesce(substring(reply_to from '<([^<>]+)>$'), reply_to) = $2) e
     where not exists (select from retention_deferred d where d.email_id = e.id and d.erasure is not null) limit $3`,
    [tenant, address, limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Takes the person out of emails: address and name, content, metadata, what servers and readers said; and out of the answers to
 * them, of which it returns how many. What stays is that we sent something, when, and what became of it; its key, so that a
 * repeated command is still recognised and not sent to them again.
 */
export async function eraseEmails(tx: Transaction, ids: readonly string[], erasure: string): Promise<number> {
  if (ids.length === 0) return 0;
  await run(
    tx,
    `with locked as materialized (select id from emails where id = any($1) order by id for no key update),
     history as (
       update email_history h set detail = h.detail - '{reason,response,url}'::text[] from locked
       where h.email_id = locked.id and h.detail ?| '{reason,response,url}'),
     smtp_ids as (delete from email_smtp_ids s using locked where s.email_id = locked.id)
     update emails e
     set recipient = $2, recipient_name = null, reply_to = null, subject = '', template_data = null, request_digest = '',
       metadata = '{}', redacted_at = now()
     from locked where e.id = locked.id`,
    [ids, erasedName(erasure)],
  );
  return eraseReplies(tx, ids, erasure);
}

/** Attachments that nothing refers to any more; `remove` is called for each, and none is forgotten when it throws. */
export async function deleteBlobs(
  tx: Transaction,
  limit: number,
  remove: (key: string) => Promise<unknown>,
): Promise<number> {
  const { rows } = await run<{ key: string }>(
    tx,
    'select key from blob_deletions order by key limit $1 for update skip locked',
    [limit],
  );
  for (const { key } of rows) await remove(key);
  await run(tx, 'delete from blob_deletions where key = any($1)', [rows.map(({ key }) => key)]);
  return rows.length;
}
