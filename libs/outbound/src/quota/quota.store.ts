import { columns, run, runPrepared, type Transaction, type Write, writeAll } from '@signalbox/persistence';
import type { QuotaLimits } from '@signalbox/tenants';
import { type Bucket, type Budget, giveBack, newBucket } from './bucket.rules.ts';
import { dayOf } from './day.rules.ts';
import { bucketKey, type Buckets, type Scope, scopeKey, scopeOf } from './quota.rules.ts';

interface QuotaRow {
  readonly tenant: string;
  readonly scope: string;
  readonly rate: number | null;
  readonly burst: number | null;
  readonly daily_cap: number | null;
  readonly daily_reserve: number | null;
  readonly time_zone: string | null;
}

/** The quotas that were set at run time: tenant → scope key → limits. */
export type RuntimeQuotas = ReadonlyMap<string, ReadonlyMap<string, QuotaLimits>>;

export async function readQuotas(tx: Transaction): Promise<RuntimeQuotas> {
  const { rows } = await run<QuotaRow>(tx, 'select * from quotas order by tenant, scope');
  const byTenant = new Map<string, Map<string, QuotaLimits>>();
  for (const row of rows) {
    const scopes = byTenant.get(row.tenant) ?? new Map<string, QuotaLimits>();
    byTenant.set(row.tenant, scopes);
    scopes.set(row.scope, {
      rate: row.rate,
      burst: row.burst,
      dailyCap: row.daily_cap,
      dailyReserve: row.daily_reserve,
      timeZone: row.time_zone,
    });
  }
  return byTenant;
}

export async function putQuota(tx: Transaction, tenant: string, scope: Scope, limits: QuotaLimits): Promise<void> {
  await run(
    tx,
    `insert into quotas (tenant, scope, rate, burst, daily_cap, daily_reserve, time_zone, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, now())
     on conflict (tenant, scope) do update
     set rate = excluded.rate, burst = excluded.burst, daily_cap = excluded.daily_cap,
         daily_reserve = excluded.daily_reserve, time_zone = excluded.time_zone, updated_at = excluded.updated_at`,
    [
      tenant,
      scopeKey(scope),
      limits.rate ?? null,
      limits.burst ?? null,
      limits.dailyCap ?? null,
      limits.dailyReserve ?? null,
      limits.timeZone ?? null,
    ],
  );
}

/** Whether there was one. */
export async function deleteQuota(tx: Transaction, tenant: string, scope: Scope): Promise<boolean> {
  const { affected } = await run(tx, 'delete from quotas where tenant = $1 and scope = $2', [tenant, scopeKey(scope)]);
  return affected > 0;
}

export interface BucketRef {
  readonly tenant: string;
  readonly scope: Scope;
}

interface BucketRow {
  readonly tenant: string;
  readonly scope: string;
  readonly next_ms: number;
  readonly day: string;
  readonly used: number;
  readonly now_ms: number;
}

/**
 * Locks buckets, in the order of their keys, so that replicas take turns; those nobody has used yet are made, full. The
 * time is the database's, read when all are locked: the one clock that all replicas refill by.
 */
export async function lockBuckets(
  tx: Transaction,
  refs: readonly BucketRef[],
): Promise<{ buckets: Buckets; nowMs: number }> {
  let rows = await selectBuckets(tx, refs, 'for update of b');
  if (rows.length < refs.length) {
    const wanted = bucketColumns(refs.map((ref) => ({ ...ref, ...newBucket })));
    await run(
      tx,
      `insert into quota_buckets (${wanted.names}) select * from ${wanted.as('n')} order by 1, 2 on conflict do nothing`,
      wanted.parameters,
    );
    rows = await selectBuckets(tx, refs, 'for update of b');
  }
  return { buckets: toBuckets(rows), nowMs: Math.max(...rows.map((row) => row.now_ms)) };
}

/** Gives back what sends that were turned away have taken of daily caps. */
export async function giveBackCaps(
  tx: Transaction,
  sends: readonly (BucketRef & { readonly budget: Budget; readonly at: number })[],
): Promise<void> {
  const capped = sends.filter(({ budget }) => budget.dailyCap < Infinity);
  if (capped.length === 0) return;
  const refs = [...new Map(capped.map((send) => [bucketKey(send.tenant, send.scope), send])).values()];
  const { buckets } = await lockBuckets(tx, refs);
  for (const { tenant, scope, budget, at } of capped) {
    const key = bucketKey(tenant, scope);
    buckets.set(key, giveBack(buckets.get(key) ?? newBucket, dayOf(at, budget.timeZone)));
  }
  const left = refs.map(({ tenant, scope }) => {
    return { tenant, scope, ...(buckets.get(bucketKey(tenant, scope)) ?? newBucket) };
  });
  await writeAll(tx, [bucketsSpent(left)]);
}

/** The buckets as they are, to be shown. */
export async function readBuckets(tx: Transaction, refs: readonly BucketRef[]): Promise<Buckets> {
  return toBuckets(await selectBuckets(tx, refs, ''));
}

async function selectBuckets(
  tx: Transaction,
  refs: readonly BucketRef[],
  locking: '' | 'for update of b',
): Promise<BucketRow[]> {
  const wanted = columns(refs, { tenant: 'text', scope: 'text' }, ({ tenant, scope }) => ({
    tenant,
    scope: scopeKey(scope),
  }));
  const { rows } = await runPrepared<BucketRow>(
    tx,
    // The clock is read outside of the subquery that locks, which is to say after the wait for the lock.
    `select tenant, scope, next_ms, day, used, extract(epoch from clock_timestamp())::double precision * 1000 as now_ms
     from (select b.* from quota_buckets b join ${wanted.as('n')} on b.tenant = n.tenant and b.scope = n.scope
           order by b.tenant, b.scope ${locking}) held`,
    wanted.parameters,
  );
  return rows;
}

/** Saves buckets that the caller has locked. */
export function bucketsSpent(changed: readonly (BucketRef & Bucket)[]): Write {
  if (changed.length === 0) return undefined;
  const rows = bucketColumns(changed);
  return (first) => ({
    sql: `update quota_buckets b set next_ms = n.next_ms, day = n.day, used = n.used
     from ${rows.as('n', first)} where b.tenant = n.tenant and b.scope = n.scope`,
    parameters: rows.parameters,
  });
}

function bucketColumns(buckets: readonly (BucketRef & Bucket)[]) {
  return columns(
    buckets,
    { tenant: 'text', scope: 'text', next_ms: 'double precision', day: 'text', used: 'integer' },
    ({ tenant, scope, nextMs, day, used }) => ({ tenant, scope: scopeKey(scope), next_ms: nextMs, day, used }),
  );
}

function toBuckets(rows: readonly BucketRow[]): Buckets {
  return new Map(
    rows.map((row) => [
      bucketKey(row.tenant, scopeOf(row.scope)),
      { nextMs: row.next_ms, day: row.day, used: row.used },
    ]),
  );
}
