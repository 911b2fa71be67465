import { columns, run, runPrepared, send, type Transaction } from '@signalbox/persistence';
import type { Start, Traffic } from './guard.rules.ts';
import { blockOf, blocksBeside } from './prefix.rules.ts';

/** A verification as the guard counts it. */
export interface GuardedStart {
  readonly verificationId: string;
  readonly tenant: string;
  /** E.164 */
  readonly number: string;
  readonly block: string;
  readonly network: string | null;
  readonly subject: string | null;
  /** A code went out for it before: it is counted already. */
  readonly counted: boolean;
}

/** Starts of a block that are looked at; more than any allowance needs. */
const perBlock = 400;
/** Of an address; one that all of a tenant's users seem to share costs no more than this. */
const perAddress = 150;
const perSubject = 60;
/** Of a block beside; more than an allowance is. */
const perBeside = 60;

export interface Standing {
  readonly tenant: string;
  readonly prefix: string;
  /** False for one that an administrator has freed. */
  readonly blocked: boolean;
}

/**
 * The blocks these starts run into, and what an administrator has freed. Locks the blocks of numbers of the others, in one
 * order: two starts in the same thousand numbers see each other, and all the others never wait.
 * @param now null for when the transaction began
 */
export async function lockBlocks(
  tx: Transaction,
  starts: readonly GuardedStart[],
  now: Date | null,
): Promise<Standing[]> {
  const rows = columns(starts, { tenant: 'text', number: 'text', block: 'text', counted: 'boolean' });
  const { rows: found } = await runPrepared<{ standing: Standing[] | null }>(
    tx,
    `with asked as materialized (select * from ${rows.as('n', 2)}),
     found as materialized (
       select a.number, b.tenant, b.prefix, true as blocked
       from asked a cross join generate_series(2, length(a.number)) as digits
       join guard_blocks b on b.tenant = a.tenant and b.prefix = left(a.number, digits)
         and b.ended_at is null and (b.expires_at is null or b.expires_at > coalesce($1, now()))
       union
       select a.number, b.tenant, b.prefix, false
       from asked a cross join generate_series(2, length(a.number)) as digits
       join guard_blocks b on b.tenant = a.tenant and b.prefix = left(a.number, digits)
         and b.made_by = 'guard' and b.ended_by = 'admin' and b.expires_at > coalesce($1, now())),
     locked as materialized (
       select pg_advisory_xact_lock(lock) from (
         select distinct hashtextextended(a.tenant || ' ' || a.block, 9) as lock from asked a
         where not a.counted
           and not exists (select from found f where f.tenant = a.tenant and f.number = a.number and f.blocked)
         order by lock) in_order)
     select (select count(*) from locked) as locked,
       (select jsonb_agg(jsonb_build_object('tenant', tenant, 'prefix', prefix, 'blocked', blocked)) from found) as standing`,
    [now, ...rows.parameters],
  );
  return found[0]?.standing ?? [];
}

/** What the guard knows before a start is judged. */
export interface Knowledge {
  /** By `tenant block`: one per number, the latest first. */
  readonly blocks: Map<string, Start[]>;
  /** By `tenant network`. */
  readonly networks: Map<string, Traffic>;
  /** By `tenant subject`. */
  readonly subjects: Map<string, Traffic>;
  /** By `tenant block`: numbers the provider itself refused as fraud. */
  readonly refusedByProvider: Map<string, number>;
  /** By `tenant block`: numbers of the blocks beside it that nobody has approved. */
  readonly outstandingBeside: Map<string, number>;
}

export const keyOf = (tenant: string, value: string) => `${tenant} ${value}`;

/** Counts the starts, and returns what was there before them. Callers hold the locks of their blocks. */
export async function countStarts(
  tx: Transaction,
  starts: readonly GuardedStart[],
  since: Date,
  now: Date,
): Promise<Knowledge> {
  const rows = columns(
    starts,
    { verification_id: 'uuid', tenant: 'text', number: 'text', block: 'text', network: 'text', subject: 'text' },
    (start) => ({ ...start, verification_id: start.verificationId }),
  );
  const pairs = columns(
    starts.flatMap(({ tenant, block }) => blocksBeside(block).map((beside) => ({ tenant, block, beside }))),
    { tenant: 'text', block: 'text', beside: 'text' },
  );
  const { rows: found } = await runPrepared<{
    blocks: { tenant: string; block: string; number: string; approved: boolean; by_provider: boolean }[] | null;
    beside: { tenant: string; block: string; outstanding: number }[] | null;
    networks: ({ tenant: string; value: string } & Traffic)[] | null;
    subjects: ({ tenant: string; value: string } & Traffic)[] | null;
  }>(
    tx,
    `with asked as materialized (select * from ${rows.as('n', 3)}),
     counted as (
       insert into guard_starts (verification_id, tenant, number, block, network, subject, at)
       select verification_id, tenant, number, block, network, subject, $2 from asked
       on conflict (verification_id) do nothing returning tenant, block),
     told as (
       insert into guard_deltas (tenant, block, started, approved)
       select tenant, block, count(*), 0 from counted group by tenant, block)
     select
       (select jsonb_agg(s order by s.at desc) from (select distinct tenant, block from asked) a cross join lateral (
          select a.tenant, a.block, number, max(at) as at, bool_or(approved_at is not null) as approved,
            bool_or(refused = 'provider') as by_provider
          from (select * from guard_starts g
                where g.tenant = a.tenant and g.block = a.block and g.at > $1 and (refused is null or refused = 'provider')
                order by g.at desc limit ${perBlock}) latest
          group by number) s) as blocks,
       (select jsonb_agg(s) from (select distinct * from ${pairs.as('b', 9)}) b cross join lateral (
          select b.tenant, b.block, count(*) as outstanding
          from (select distinct number from (
                  select number, approved_at from guard_starts g
                  where g.tenant = b.tenant and g.block = b.beside and g.at > $1 and refused is null
                  order by g.at desc limit ${perBeside}) latest
                where approved_at is null) numbers) s) as beside,
       (select jsonb_agg(jsonb_build_object('tenant', tenant, 'value', network, 'started', started, 'approved', approved))
        from (select distinct tenant, network from asked where network is not null) a cross join lateral (
          select count(distinct number) as started, count(distinct number) filter (where approved_at is not null) as approved
          from (select number, approved_at from guard_starts g
                where g.tenant = a.tenant and g.network = a.network and g.at > $1 and refused is null
                order by g.at desc limit ${perAddress}) latest) s) as networks,
       (select jsonb_agg(jsonb_build_object('tenant', tenant, 'value', subject, 'started', started, 'approved', approved))
        from (select distinct tenant, subject from asked where subject is not null) a cross join lateral (
          select count(distinct number) as started, count(distinct number) filter (where approved_at is not null) as approved
          from (select number, approved_at from guard_starts g
                where g.tenant = a.tenant and g.subject = a.subject and g.at > $1 and refused is null
                order by g.at desc limit ${perSubject}) latest) s) as subjects`,
    [since, now, ...rows.parameters, ...pairs.parameters],
  );
  const [row] = found;
  const blocks = new Map<string, Start[]>();
  const refusedByProvider = new Map<string, number>();
  for (const { tenant, block, number, approved, by_provider } of row?.blocks ?? []) {
    const key = keyOf(tenant, block);
    if (by_provider) refusedByProvider.set(key, (refusedByProvider.get(key) ?? 0) + 1);
    else blocks.set(key, [...(blocks.get(key) ?? []), { number, approved }]);
  }
  const outstandingBeside = new Map<string, number>();
  for (const { tenant, block, outstanding } of row?.beside ?? []) {
    const key = keyOf(tenant, block);
    outstandingBeside.set(key, (outstandingBeside.get(key) ?? 0) + outstanding);
  }
  const traffic = (rows: ({ tenant: string; value: string } & Traffic)[] | null | undefined) =>
    new Map((rows ?? []).map(({ tenant, value, started, approved }) => [keyOf(tenant, value), { started, approved }]));
  return {
    blocks,
    refusedByProvider,
    outstandingBeside,
    networks: traffic(row?.networks),
    subjects: traffic(row?.subjects),
  };
}

/**
 * Takes starts back for which nothing is sent.
 * @param by `guard`, or `provider` where it says that it looks like fraud
 */
export function takeBack(tx: Transaction, verificationIds: readonly string[], by: 'guard' | 'provider'): void {
  if (verificationIds.length === 0) return;
  const ids = columns(verificationIds, { id: 'uuid' }, (id) => ({ id }));
  send(
    tx,
    `with taken as (
       update guard_starts set refused = $2 where verification_id = any($1::text[]::uuid[]) and refused is null returning tenant, block)
     insert into guard_deltas (tenant, block, started, approved)
     select tenant, block, -count(*), 0 from taken group by tenant, block`,
    [...ids.parameters, by],
  );
}

export function noteApprovals(tx: Transaction, verificationIds: readonly string[], now: Date): void {
  if (verificationIds.length === 0) return;
  const ids = columns(verificationIds, { id: 'uuid' }, (id) => ({ id }));
  send(
    tx,
    `with approved as (
       update guard_starts set approved_at = $2
       where verification_id = any($1::text[]::uuid[]) and approved_at is null and refused is null returning tenant, block)
     insert into guard_deltas (tenant, block, started, approved)
     select tenant, block, 0, count(*) from approved group by tenant, block`,
    [...ids.parameters, now.toISOString()],
  );
}

/** Forgets a person; the counts of prefixes stay. */
export async function eraseStarts(tx: Transaction, tenant: string, number: string): Promise<void> {
  await run(tx, 'delete from guard_starts where tenant = $1 and block = $2 and number = $3', [
    tenant,
    blockOf(number),
    number,
  ]);
}

/** Forgets what is over; true when there may be more. */
export async function forgetStarts(tx: Transaction, before: Date, limit = 10_000): Promise<boolean> {
  const { affected } = await runPrepared(
    tx,
    `delete from guard_starts where verification_id in
       (select verification_id from guard_starts where at < $1 order by at limit ${limit} for update skip locked)`,
    [before],
  );
  return affected >= limit;
}
