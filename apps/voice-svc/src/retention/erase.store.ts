import { run, type Transaction } from '@signalbox/persistence';
import { takeEnded } from './retention.store.ts';

/**
 * What takes a person out of the tables. Calls of the provider are known by SID, which stays: that there was a call, when, and
 * what became of it.
 */

/** For how long something may still be told of a call that was erased: it lasts a day at most, its recordings come after it. */
const lookDays = 3;

/** What stands in the place of a number. */
export function erasedName(erasure: string): string {
  return `erased:${erasure}`;
}

/**
 * Takes the person out of calls that we placed: number, text, metadata. What stays is that we called, when, and what became of it;
 * its key, so that a repeated command is still recognised and they are not called again. Returns their SIDs.
 */
export async function eraseCalls(
  tx: Transaction,
  ids: readonly string[],
  erasure: string,
  now: Date,
): Promise<readonly SweptCall[]> {
  if (ids.length === 0) return [];
  await run(
    tx,
    `with locked as materialized (select id from calls where id = any($1) order by id for no key update)
     update calls c
     set recipient = $2, request_digest = '', redacted_at = $3,
       request = request || jsonb_build_object('to', $2::text, 'say', null, 'metadata', '{}'::jsonb, 'correlationId', null)
     from locked where c.id = locked.id`,
    [ids, erasedName(erasure), now],
  );
  const { rows } = await run<{ call_sid: string; at: Date }>(
    tx,
    `select a.provider_sid as call_sid, c.updated_at as at from attempts a join calls c on c.id = a.call_id
     where a.call_id = any($1) and a.provider_sid is not null
     union select c.provider_sid, c.updated_at from calls c where c.id = any($1) and c.provider_sid is not null`,
    [ids],
  );
  return rows.map(({ call_sid: callSid, at }) => ({ callSid, at }));
}

/** Of calls that are with the provider, and locked: however they end, the person is not called again. */
export async function forbidRetry(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await run(tx, `update calls set request = request - 'retry' where id = any($1)`, [ids]);
}

/** A call of the provider, and when something was last told of it. */
export interface SweptCall {
  readonly callSid: string;
  readonly at: Date;
}

/**
 * Takes a person's addresses out of the accounts of calls, whoever placed those. Of a call that they made or got, that is not of
 * ours, nothing else says whose it was.
 */
export async function eraseFacts(
  tx: Transaction,
  { tenant, addresses }: { readonly tenant: string; readonly addresses: readonly string[] },
  erasure: string,
  limit: number,
): Promise<readonly (SweptCall & { readonly isOurs: boolean })[]> {
  const { rows } = await run<{ call_sid: string; at: Date; ours: boolean }>(
    tx,
    `with found as materialized (
       select call_sid from call_facts where tenant = $1 and (sender = any($2) or recipient = any($2))
       order by call_sid limit $3 for no key update)
     update call_facts f set sender = case when f.sender = any($2) then $4 else f.sender end,
       recipient = case when f.recipient = any($2) then $4 else f.recipient end
     from found where f.tenant = $1 and f.call_sid = found.call_sid
     returning f.call_sid, f.call_id is not null as ours, coalesce(f.ended_at, f.created_at) as at`,
    [tenant, addresses, limit, erasedName(erasure)],
  );
  return rows.map(({ call_sid: callSid, at, ours: isOurs }) => ({ callSid, at, isOurs }));
}

/**
 * Takes out what was said in calls of a person, and dooms the recordings in which they are heard: of the call, of the one that
 * dialled them, of the legs it dialled, of the conferences they were in. What may still be told of them is looked for again, for
 * some days. Returns how many recordings are to be deleted.
 */
export async function sweep(
  tx: Transaction,
  tenant: string,
  calls: readonly SweptCall[],
  erasure: string,
  now: Date,
): Promise<number> {
  const sids = calls.map(({ callSid }) => callSid);
  const doomed = await sweepSids(tx, tenant, sids, erasure, now);
  await run(
    tx,
    `insert into erased_calls (tenant, call_sid, erasure, erased_at, look_at)
     select $1, call_sid, $3, $4, $4 from unnest($2::text[], $5::timestamptz[]) as n (call_sid, at)
     where at > $4::timestamptz - interval '${lookDays} days' on conflict (tenant, call_sid) do nothing`,
    [tenant, sids, erasure, now, calls.map(({ at }) => at)],
  );
  return doomed;
}

async function sweepSids(
  tx: Transaction,
  tenant: string,
  sids: readonly string[],
  erasure: string,
  now: Date,
): Promise<number> {
  if (sids.length === 0) return 0;
  await forgetSessions(tx, tenant, sids);
  // An account that was opened since. Of a leg that the call dialled, its caller may be the person.
  await run(
    tx,
    `with late as materialized (
       select call_sid, call_sid = any($2) as own from call_facts
       where tenant = $1 and (call_sid = any($2) or parent_call_sid = any($2))
         and sender not like 'erased:%' and recipient not like 'erased:%' order by call_sid for no key update)
     update call_facts f
     set sender = case when own and direction = 'outbound-api' then sender else $3 end,
       recipient = case when not own or direction = 'inbound' then recipient else $3 end
     from late where f.tenant = $1 and f.call_sid = late.call_sid`,
    [tenant, sids, erasedName(erasure)],
  );
  const { rows } = await run<{ gone: boolean }>(
    tx,
    `with kin as materialized (
       select call_sid from unnest($2::text[]) as n (call_sid)
       union select parent_call_sid from call_facts where tenant = $1 and call_sid = any($2) and parent_call_sid is not null
       union select call_sid from call_facts where tenant = $1 and parent_call_sid = any($2)),
     ours as materialized (select call_id from attempts where tenant = $1 and provider_sid = any($2)),
     rooms as materialized (
       select distinct conference_sid from conference_participants where tenant = $1 and call_sid in (select call_sid from kin)),
     heard as materialized (
       select recording_sid from recordings where tenant = $1 and call_sid in (select call_sid from kin)
       union select recording_sid from recordings where tenant = $1 and call_id in (select call_id from ours)
       union select recording_sid from recordings where tenant = $1 and conference_sid in (select conference_sid from rooms)),
     locked as materialized (
       select recording_sid from recordings where tenant = $1 and erasure is null
         and recording_sid in (select recording_sid from heard) order by recording_sid for no key update)
     update recordings r set erasure = $3, delete_at = least(r.delete_at, $4), deletion_try_at = null,
       call_id = case when r.proven_at is null then r.call_id end,
       call_sid = case when r.proven_at is null then r.call_sid end,
       conference_sid = case when r.proven_at is null then r.conference_sid end,
       source = case when r.proven_at is null then r.source end
     from locked where r.tenant = $1 and r.recording_sid = locked.recording_sid
     returning r.proven_at is not null as gone`,
    [tenant, sids, erasure, now],
  );
  return rows.filter(({ gone }) => !gone).length;
}

/** Where calls are in their flows, what they were told and what they have said. One that is under way goes on by its URL. */
export async function forgetSessions(tx: Transaction, tenant: string, sids: readonly string[]): Promise<void> {
  if (sids.length === 0) return;
  await run(tx, 'delete from flow_sessions where tenant = $1 and call_sid = any($2)', [tenant, sids]);
}

/** Of the next calls in flows those that name an address, in what they were told or what is known of them. */
export async function callsNaming(
  tx: Transaction,
  tenant: string,
  address: string,
  after: string,
  limit: number,
): Promise<{ readonly last: string | undefined; readonly naming: readonly string[] }> {
  const { rows } = await run<{ call_sid: string; naming: boolean }>(
    tx,
    `select call_sid, position($2 in s::text) > 0 as naming from flow_sessions s
     where tenant = $1 and call_sid > $3 order by call_sid limit $4`,
    [tenant, address, after, limit],
  );
  return {
    last: rows.at(-1)?.call_sid,
    naming: rows.filter(({ naming }) => naming).map(({ call_sid }) => call_sid),
  };
}

/** Conferences may be named by who is called into them. */
export async function eraseConferenceNames(
  tx: Transaction,
  tenant: string,
  address: string,
  erasure: string,
): Promise<void> {
  await run(tx, 'update conferences set name = $3 where tenant = $1 and position($2 in name) > 0', [
    tenant,
    address,
    erasedName(erasure),
  ]);
}

/** Erases, or redacts, calls that were with the provider when that was asked for and have ended since. */
export async function eraseEnded(tx: Transaction, now: Date, limit: number): Promise<number> {
  const ended = await takeEnded(tx, limit);
  const asked = Map.groupBy(
    ended.flatMap(({ id, tenant, erasure }) => (erasure === null ? [] : { id, tenant, erasure })),
    ({ erasure }) => erasure,
  );
  for (const [erasure, group] of asked) {
    const ids = group.map(({ id }) => id);
    // An erasure is of one tenant.
    const tenant = group[0]?.tenant ?? '';
    await sweep(tx, tenant, await eraseCalls(tx, ids, erasure, now), erasure, now);
  }
  return ended.length;
}

/** Takes out what was told since of calls that were erased, each time after about twice as long. */
export async function lookAgain(tx: Transaction, now: Date, limit: number): Promise<number> {
  const { rows } = await run<{ tenant: string; call_sid: string; erasure: string }>(
    tx,
    `with due as materialized (
       select tenant, call_sid from erased_calls where look_at <= $1 order by look_at limit $2 for update skip locked)
     update erased_calls e set look_at = $1 + greatest(interval '5 minutes', $1 - e.erased_at)
     from due where e.tenant = due.tenant and e.call_sid = due.call_sid
     returning e.tenant, e.call_sid, e.erasure`,
    [now, limit],
  );
  for (const group of Map.groupBy(rows, ({ erasure }) => erasure).values()) {
    const [{ tenant, erasure } = { tenant: '', erasure: '' }] = group;
    await sweepSids(
      tx,
      tenant,
      group.map(({ call_sid }) => call_sid),
      erasure,
      now,
    );
  }
  await run(
    tx,
    `delete from erased_calls where (tenant, call_sid) in (
       select tenant, call_sid from unnest($2::text[], $3::text[]) as n (tenant, call_sid))
       and erased_at < $1::timestamptz - interval '${lookDays} days'`,
    [now, rows.map(({ tenant }) => tenant), rows.map(({ call_sid }) => call_sid)],
  );
  return rows.length;
}
