import type { CallState } from '@signalbox/contracts';
import { run, type Transaction } from '@signalbox/persistence';
import { callMachine, isFinal } from '../call/call.state.ts';

/**
 * What takes out of the tables what a tenant no longer wants to keep, in batches that are bounded and found by an index. Rows of
 * calls are locked in id order, as everywhere.
 */

const finalStates = (Object.keys(callMachine) as CallState[])
  .filter(isFinal)
  .map((state) => `'${state}'`)
  .join(', ');

/** It has ended; or it is with the provider, which is asked about it no more. */
const isOver = (c: string) =>
  `(${c}.state in (${finalStates}) or (${c}.state in ('submitted', 'ringing', 'answered') and ${c}.check_at is null))`;

const tables = ['calls', 'call_facts', 'conferences', 'recordings'] as const;

/** Everyone of whom there is something, in the tenant file or not; skips from name to name in the indexes. */
export async function tenantsWithData(tx: Transaction): Promise<string[]> {
  const walks = tables.map(
    (table) => `${table}_of as (
       select min(tenant) as tenant from ${table}
       union all
       select (select min(tenant) from ${table} where tenant > o.tenant) from ${table}_of o where o.tenant is not null)`,
  );
  const { rows } = await run<{ tenant: string }>(
    tx,
    `with recursive ${walks.join(',\n')}
     ${tables.map((table) => `select tenant from ${table}_of where tenant is not null`).join(' union ')}`,
  );
  return rows.map(({ tenant }) => tenant);
}

/**
 * Takes the text out of the next calls accepted before the cutoff; one that has not ended is put off until it has. A mark says
 * how far this came, so that no index has to say which rows are left. Returns how many it has seen to.
 */
export async function redactCalls(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { rows: marks } = await run<{ redacted_until: Date; last_id: string }>(
    tx,
    'select redacted_until, last_id from retention_marks where tenant = $1',
    [tenant],
  );
  const mark = marks[0] ?? { redacted_until: new Date(0), last_id: '00000000-0000-0000-0000-000000000000' };
  const { rows } = await run<{ id: string; created_at: Date; over: boolean }>(
    tx,
    `select id, created_at, ${isOver('c')} as over from calls c
     where tenant = $1 and (created_at, id) > ($2, $3) and created_at < $4 order by created_at, id limit $5`,
    [tenant, mark.redacted_until, mark.last_id, cutoff, limit],
  );
  const last = rows.at(-1);
  if (!last) return 0;
  await redact(
    tx,
    rows.filter(({ over }) => over).map(({ id }) => id),
  );
  await defer(
    tx,
    rows.filter(({ over }) => !over).map(({ id }) => id),
    null,
  );
  await run(
    tx,
    `insert into retention_marks (tenant, redacted_until, last_id) values ($1, $2, $3)
     on conflict (tenant) do update set redacted_until = excluded.redacted_until, last_id = excluded.last_id`,
    [tenant, last.created_at, last.id],
  );
  return rows.length;
}

async function redact(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `with locked as materialized (
       select id from calls where id = any($1) and redacted_at is null order by id for no key update)
     update calls c set request = request || '{"say": null}', redacted_at = now() from locked where c.id = locked.id`,
    [ids],
  );
}

/** To be redacted, or erased, when they have ended. */
export async function defer(tx: Transaction, ids: readonly string[], erasure: string | null): Promise<void> {
  if (ids.length === 0) return;
  await run(
    tx,
    `insert into retention_deferred as d (call_id, erasure) select id, $2 from unnest($1::uuid[]) as n (id)
     on conflict (call_id) do update set erasure = excluded.erasure where excluded.erasure is not null`,
    [ids, erasure],
  );
}

/** What had been put off and has ended since, locked; redacted where nothing else was asked for. */
export async function takeEnded(
  tx: Transaction,
  limit: number,
): Promise<{ readonly id: string; readonly tenant: string; readonly erasure: string | null }[]> {
  const { rows } = await run<{ id: string; tenant: string; erasure: string | null }>(
    tx,
    `select c.id, c.tenant, d.erasure from retention_deferred d join calls c on c.id = d.call_id
     where ${isOver('c')} order by c.id limit $1 for no key update of c skip locked`,
    [limit],
  );
  if (rows.length === 0) return [];
  await redact(
    tx,
    rows.filter(({ erasure }) => erasure === null).map(({ id }) => id),
  );
  await run(tx, 'delete from retention_deferred where call_id = any($1)', [rows.map(({ id }) => id)]);
  return rows;
}

/** Deletes the oldest calls that have ended, with attempts and history. */
export async function deleteCalls(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select id from calls c where tenant = $1 and created_at < $2 and ${isOver('c')} order by created_at, id limit $3),
     locked as materialized (select id from calls where id in (select id from old) order by id for update),
     attempts_gone as (delete from attempts a using locked where a.call_id = locked.id)
     delete from calls c using locked where c.id = locked.id`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Deletes the oldest accounts of calls of the provider; one that is to be closed yet stays until it is. */
export async function deleteFacts(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `delete from call_facts where tenant = $1 and call_sid in (
       select call_sid from call_facts where tenant = $1 and created_at < $2 and ask_at is null
       order by created_at limit $3 for update skip locked)`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Deletes conferences of which nothing was heard since, with their participants. */
export async function deleteConferences(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `delete from conferences where tenant = $1 and conference_sid in (
       select conference_sid from conferences where tenant = $1 and updated_at < $2
       order by updated_at limit $3 for update skip locked)`,
    [tenant, cutoff, limit],
  );
  return affected;
}

/** Deletes what is known of recordings that are proven to be gone, and of who has heard them. */
export async function deleteRecordings(tx: Transaction, tenant: string, cutoff: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `with old as materialized (
       select recording_sid from recordings where tenant = $1 and created_at < $2 and proven_at is not null
       order by created_at limit $3 for update skip locked),
     accesses_gone as (
       delete from recording_accesses a using old where a.tenant = $1 and a.recording_sid = old.recording_sid)
     delete from recordings r using old where r.tenant = $1 and r.recording_sid = old.recording_sid`,
    [tenant, cutoff, limit],
  );
  return affected;
}
