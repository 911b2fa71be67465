import {
  bucketKey,
  type Buckets,
  laneNumber,
  newBucket,
  type Quota,
  type Quotas,
  readBuckets,
  type Scope,
  scopeKey,
  takeWay,
  usedToday,
  waysOfQueue,
} from '@signalbox/outbound';
import { run, type Transaction } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { isOfWarmup, mailboxScope, overflowScope, poolOfScope, poolScope } from './pool.rules.ts';
import { dateOf, warmupOn, type WarmupSettings } from './warmup.rules.ts';
import type { WarmupView } from './warmup.schemas.ts';

/** So many waiting emails are counted at most: nobody does anything else for more. */
const countedUpTo = 100_000;

/** How the warm-up plans of a tenant stand, in the order of the tenant file. */
export async function warmupsOf(
  tx: Transaction,
  tenant: Tenant,
  settings: WarmupSettings | undefined,
  quotas: Quotas,
  now: Date,
): Promise<WarmupView[]> {
  const plans = Object.entries(tenant.email?.ipPools ?? {}).flatMap(([pool, { name = pool, warmup }]) =>
    warmup ? { pool, name, warmup } : [],
  );
  if (plans.length === 0) return [];
  const all = [...quotas.values()];
  const buckets = await readBuckets(
    tx,
    all.map(({ scope }) => ({ tenant: tenant.name, scope })),
  );
  const holds = plans.some(({ warmup, pool }) => warmup.overflowTo === undefined && isLimited(quotas, pool));
  const waiting = holds ? await waitingByPool(tx, tenant.name, quotas, buckets, now) : new Map<string, number>();
  const used = (scope: Scope) => {
    const quota = quotas.get(scopeKey(scope));
    const bucket = buckets.get(bucketKey(tenant.name, scope)) ?? newBucket;
    return quota ? usedToday(quota.budget, bucket, now.getTime()) : 0;
  };
  const tomorrow = new Date(now.getTime() + 86_400_000);
  return plans.map(({ pool, name, warmup }) => {
    const setting = settings?.get(pool);
    const today = warmupOn(warmup, setting, dateOf(now));
    return {
      pool,
      name,
      state: today.state,
      start: warmup.start,
      day: today.day,
      lastDay: today.lastDay,
      cap: today.cap,
      used: used(poolScope(pool)),
      perProvider: Object.entries(today.perProvider).map(([provider, cap]) => {
        return { provider, cap, used: used(mailboxScope(pool, provider)) };
      }),
      tomorrow: warmupOn(warmup, setting, dateOf(tomorrow)).cap,
      resetsAt: `${dateOf(tomorrow)}T00:00:00.000Z`,
      overflowTo: warmup.overflowTo ?? null,
      overflowed: used(overflowScope(pool)),
      waiting: waiting.get(pool) ?? 0,
      caps: setting?.planStart === warmup.start ? setting.caps : {},
      plan: { days: warmup.days, perProvider: warmup.perProvider },
    };
  });
}

/** Emails that are due and held for a pool that has no room, by that pool. */
async function waitingByPool(
  tx: Transaction,
  tenant: string,
  quotas: Quotas,
  buckets: Buckets,
  now: Date,
): Promise<Map<string, number>> {
  const { rows } = await run<{ queue: string; count: number }>(
    tx,
    `select queue, count(*)::int as count
     from (select queue from emails where lane = any($4) and tenant = $1 and due_at <= $2 and queue like '%pool:%' limit $3) waiting
     group by queue`,
    // By lane, so that it is the tenant's part of the index of waiting lines that is read; the critical lane waits for no plan.
    [tenant, now, countedUpTo, (['transactional', 'bulk'] as const).map(laneNumber)],
  );
  const counts = new Map<string, number>();
  for (const { queue, count } of rows) {
    const leave = takeWay(new Map(buckets), tenant, waysOfQueue(quotas, queue), 'bulk', now.getTime());
    if (leave.ok || !isOfWarmup(leave.quota)) continue;
    const pool = poolOfScope(leave.quota.scope);
    counts.set(pool, (counts.get(pool) ?? 0) + count);
  }
  return counts;
}

function isLimited(quotas: Quotas, pool: string): boolean {
  return [...quotas.values()].some((quota: Quota) => isOfWarmup(quota) && poolOfScope(quota.scope) === pool);
}
