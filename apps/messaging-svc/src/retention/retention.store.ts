import type { MessageState } from '@signalbox/contracts';
import { run, type Transaction } from '@signalbox/persistence';
import { isFinal, messageMachine } from '../message/message.state.ts';

/**
 * What takes personal data out of the tables, in batches that are bounded and found by an index. Rows of messages are
 * locked in id order, as everywhere.
 */

const finalStates = (Object.keys(messageMachine) as MessageState[])
  .filter(isFinal)
  .map((state) => `'${state}'`)
  .join(', ');

/**
 * It has ended; or it is with the provider, which is asked about it no more: some carriers never send a receipt, and `sent`
 * is all there will ever be.
 */
const isOver = (m: string) =>
  `(${m}.state in (${finalStates}) or (${m}.state in ('submitted', 'sent') and ${m}.check_at is null))`;

/** Nothing of the content is needed any more, not even for a fallback. */
const hasEnded = (m: string) => `(${isOver(m)} and ${m}.fallback_at is null)`;

const withoutContent = `content || '{"body": null, "mediaUrls": [], "contentVariables": {}}'`;

/** Everyone with messages or inbound ones, in the tenant file or not; skips from name to name in the indexes. */
export async function tenantsWithData(tx: Transaction): Promise<string[]> {
  const { rows } = await run<{ tenant: string }>(
    tx,
    `with recursive m as (
       select min(tenant) as tenant from messages
       union all select (select min(tenant) from messages where tenant > m.tenant) from m where m.tenant is not null),
     i as (
       select min(tenant) as tenant from inbound_messages
       union all
       select (select min(tenant) from inbound_messages where tenant > i.tenant) from i where i.tenant is not null)
     select tenant from m where tenant is not null union select tenant from i where tenant is not null`,
  );
  return rows.map(({ tenant }) => tenant);
}

interface Mark {
  readonly at: Date;
  readonly id: string;
}

const beginning: Mark = { at: new Date(0), id: '00000000-0000-0000-0000-000000000000' };

async function readMark(tx: Transaction, tenant: string, what: string): Promise<Mark> {
  const { rows } = await run<{ redacted_until: Date; last_id: string }>(
    tx,
    'select redacted_until, last_id from retention_marks where tenant = $1 and what = $2',
    [tenant, what],
  );
  return rows[0] ? { at: rows[0].redacted_until, id: rows[0].last_id } : beginning;
}

async function writeMark(tx: Transaction, tenant: string, what: string, { at, id }: Mark): Promise<void> {
  await run(
    tx,
    `insert into retention_marks (tenant, what, redacted_until, last_id) values ($1, $2, $3, $4)
     on conflict (tenant, what) do update set redacted_until = excluded.redacted_until, last_id = excluded.last_id`,
    [tenant, what, at, id],
  );
}

/**
 * Takes the content out of the next messages accepted before the cutoff; one that has not ended is put off until it has.
 * A mark says how far this came, so that no index has to say which rows are left. Returns how many it has seen to.
 */
export async function redactMessages(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const mark = await readMark(tx, tenant, 'messages');
  const { rows } = await run<{ id: string; created_at: Date; ended: boolean }>(
    tx,
    `select id, created_at, ${hasEnded('m')} as ended from messages m
     where tenant = $1 and (created_at, id) > ($2, $3) and created_at < $4 order by created_at, id limit $5`,
    [tenant, mark.at, mark.id, cutoff, limit],
  );
  const last = rows.at(-1);
  if (!last) return 0;
  await redact(
    tx,
    rows.filter(({ ended }) => ended).map(({ id }) => id),
  );
  await defer(
    tx,
    rows.filter(({ ended }) => !ended).map(({ id }) => id),
    null,
  );
  await writeMark(tx, tenant, 'messages', { at: last.created_at, id: last.id });
  return rows.length;
}

/** Takes the content out of messages, marked as redacted. */
async function redact(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `with locked as materialized (
       select id from messages where id = any($1) and redacted_at is null order by id for no key update)
     update messages m set content = ${withoutContent}, redacted_at = now() from locked where m.id = locked.id`,
    [ids],
  );
}

/** To be redacted, or erased, when they have ended. */
export async function defer(tx: Transaction, ids: readonly string[], erasure: string | null): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `insert into retention_deferred as d (message_id, erasure) select id, $2 from unnest($1::uuid[]) as n (id)
     on conflict (message_id) do update set erasure = excluded.erasure where excluded.erasure is not null`,
    [ids, erasure],
  );
}

/** Sees to what had been put off and has ended since. */
export async function settleDeferred(tx: Transaction, limit: number): Promise<number> {
  const { rows } = await run<{ id: string; erasure: string | null }>(
    tx,
    `select m.id, d.erasure from retention_deferred d join messages m on m.id = d.message_id
     where ${isOver('m')} and (d.erasure is not null or m.fallback_at is null)
     order by m.id limit $1 for no key update of m skip locked`,
    [limit],
  );
  if (rows.length === 0) return 0;
  await redact(
    tx,
    rows.filter(({ erasure }) => erasure === null).map(({ id }) => id),
  );
  for (const erasure of new Set(rows.flatMap((row) => row.erasure ?? []))) {
    await eraseMessages(
      tx,
      rows.filter((row) => row.erasure === erasure).map(({ id }) => id),
      erasure,
    );
  }
  await run(tx, 'delete from retention_deferred where message_id = any($1)', [rows.map(({ id }) => id)]);
  return rows.length;
}

export async function redactInbound(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const mark = await readMark(tx, tenant, 'inbound');
  const { rows } = await run<{ id: string; received_at: Date }>(
    tx,
    `select id, received_at from inbound_messages
     where tenant = $1 and (received_at, id) > ($2, $3) and received_at < $4 order by received_at, id limit $5`,
    [tenant, mark.at, mark.id, cutoff, limit],
  );
  const last = rows.at(-1);
  if (!last) return 0;
  await run(
    tx,
    `update inbound_messages set body = null, media = '[]', redacted_at = now()
     where id = any($1) and redacted_at is null`,
    [rows.map(({ id }) => id)],
  );
  await writeMark(tx, tenant, 'inbound', { at: last.received_at, id: last.id });
  return rows.length;
}

/** Deletes the oldest messages that have ended; attempts and history go with them. */
export async function deleteMessages(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select id from messages m where tenant = $1 and created_at < $2 and ${hasEnded('m')}
       order by created_at, id limit $3),
     locked as materialized (
       select id from messages where id in (select id from old) order by id for update),
     attempts_gone as (delete from attempts a using locked where a.message_id = locked.id),
     history_gone as (delete from message_history h using locked where h.message_id = locked.id)
     delete from messages m using locked where m.id = locked.id`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Tables whose rows go as they are, with the columns of their keys and of their age. */
const simple = {
  inbound_messages: { key: 'id', age: 'received_at' },
  conversations: { key: 'tenant, person, messaging_service_sid', age: 'last_inbound_at' },
  unmatched_callbacks: { key: 'tenant, event_id', age: 'received_at' },
} as const;

export async function deleteOld(
  tx: Transaction,
  table: keyof typeof simple,
  tenant: string,
  cutoff: Date,
  limit: number,
): Promise<number> {
  const { key, age } = simple[table];
  const { affected } = await run(
    tx,
    `delete from ${table} where (${key}) in (
       select ${key} from ${table} where tenant = $1 and ${age} < $2 order by ${age} limit $3 for update skip locked)`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Deletes the oldest hour, or day, of a rollup. */
export async function deleteOldestPeriod(
  tx: Transaction,
  table: 'analytics_hourly' | 'analytics_daily',
  tenant: string,
  cutoff: Date,
): Promise<number> {
  const { affected } = await run(
    tx,
    `delete from ${table} where tenant = $1 and at < $2 and at = (select min(at) from ${table} where tenant = $1)`,
    [tenant, cutoff],
  );
  return affected;
}

/**
 * Takes the person out of messages: number, content, metadata, fallbacks. What stays is that we sent something, when, and
 * what became of it; its key, so that a repeated command is still recognised and not sent to them again.
 */
export async function eraseMessages(tx: Transaction, ids: readonly string[], erasure: string): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `with locked as materialized (select id from messages where id = any($1) order by id for no key update)
     update messages m
     set recipient = $2, content = ${withoutContent}, request_digest = '', metadata = '{}', fallback = '[]',
       fallback_at = null, consent = null, time_zone = null, redacted_at = now()
     from locked where m.id = locked.id`,
    [ids, erasedName(erasure)],
  );
  // Why a message was held names the time zones of the recipient.
  await run(tx, `delete from message_history where message_id = any($1) and kind = 'held'`, [ids]);
}

/** What stands in the place of a number. */
export function erasedName(erasure: string): string {
  return `erased:${erasure}`;
}
