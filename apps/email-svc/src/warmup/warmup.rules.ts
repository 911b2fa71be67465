import type { GivenQuotas } from '@signalbox/outbound';
import type { Tenant, WarmupPlan } from '@signalbox/tenants';
import { mailboxScope, overflowScope, poolScope } from './pool.rules.ts';

/** What an operator has set of a plan at run time, in place of what the tenant file says. */
export interface WarmupSetting {
  readonly pool: string;
  /** The start of the plan it was set for: one with another start is another plan, and goes as written. */
  readonly planStart: string;
  /** The plan's day on `since`. */
  readonly day: number;
  /** A date in UTC. */
  readonly since: string;
  /** The pool takes nothing, and its days stand still. */
  readonly paused: boolean;
  readonly caps: WarmupCaps;
}

/** Emails a day; what is left out is as the plan says. */
export interface WarmupCaps {
  readonly total?: number | undefined;
  readonly perProvider?: Readonly<Record<string, number>> | undefined;
}

export interface WarmupChange {
  readonly paused?: boolean | undefined;
  readonly day?: number | undefined;
  /** Null: as the plan says. */
  readonly caps?: WarmupCaps | null | undefined;
}

/** A plan on one day. */
export interface WarmupDay {
  /** `ended`: nothing limits the pool any more. */
  readonly state: 'not_started' | 'warming' | 'paused' | 'ended';
  /** 1 is the first; below it the plan has not begun. */
  readonly day: number;
  /** Of the pool's part of the plan and those of providers the longest. */
  readonly lastDay: number;
  /** Emails that may go through the pool on it; null: any number. */
  readonly cap: number | null;
  /** Of those, to the mailboxes of one provider; who is not named has no cap of their own. */
  readonly perProvider: Readonly<Record<string, number>>;
}

/** The settings of a tenant, by the pool. */
export type WarmupSettings = ReadonlyMap<string, WarmupSetting>;

/** More than anybody sends on a day: a quota that only counts. */
const countsOnly = 1_000_000_000;

/** What a plan allows on a date in UTC. */
export function warmupOn(plan: WarmupPlan, setting: WarmupSetting | undefined, today: string): WarmupDay {
  const set = setting?.planStart === plan.start ? setting : undefined;
  const day = dayOf(plan, set, today);
  const lastDay = Math.max(plan.days.length, ...Object.values(plan.perProvider).map(({ length }) => length));
  if (set?.paused) return { state: 'paused', day, lastDay, cap: 0, perProvider: {} };
  if (day < 1) return { state: 'not_started', day, lastDay, cap: 0, perProvider: {} };
  const cap = set?.caps.total ?? plan.days[day - 1] ?? null;
  const planned = Object.entries(plan.perProvider).map(([provider, days]) => [provider, days[day - 1]] as const);
  const perProvider = Object.fromEntries(
    [...planned, ...Object.entries(set?.caps.perProvider ?? {})].filter(
      (entry): entry is [string, number] => entry[1] !== undefined,
    ),
  );
  const isOver = cap === null && Object.keys(perProvider).length === 0;
  return { state: isOver ? 'ended' : 'warming', day, lastDay, cap, perProvider };
}

/** The setting after a change on a date in UTC. */
export function changeSetting(
  pool: string,
  plan: WarmupPlan,
  setting: WarmupSetting | undefined,
  change: WarmupChange,
  today: string,
): WarmupSetting {
  const set = setting?.planStart === plan.start ? setting : undefined;
  return {
    pool,
    planStart: plan.start,
    day: change.day ?? dayOf(plan, set, today),
    since: today,
    paused: change.paused ?? set?.paused ?? false,
    caps: change.caps === null ? {} : (change.caps ?? set?.caps ?? {}),
  };
}

/** The quotas that warm-up plans make of a day: what goes through each pool, to each provider, and what had to go elsewhere. */
export function warmupQuotas(tenant: Tenant, settings: WarmupSettings | undefined, today: string): GivenQuotas {
  return Object.entries(tenant.email?.ipPools ?? {}).flatMap(([pool, { warmup }]) => {
    if (!warmup) return [];
    const { state, cap, perProvider } = warmupOn(warmup, settings?.get(pool), today);
    if (state === 'ended') return [];
    return [
      ...(cap === null ? [] : [[poolScope(pool), { dailyCap: cap }] as const]),
      ...Object.entries(perProvider).map(
        ([provider, dailyCap]) => [mailboxScope(pool, provider), { dailyCap }] as const,
      ),
      ...(warmup.overflowTo === undefined ? [] : [[overflowScope(pool), { dailyCap: countsOnly }] as const]),
    ];
  });
}

export function dateOf(now: Date): string {
  return now.toISOString().slice(0, 10);
}

function dayOf(plan: WarmupPlan, setting: WarmupSetting | undefined, today: string): number {
  if (!setting) return daysBetween(plan.start, today) + 1;
  return setting.paused ? setting.day : setting.day + daysBetween(setting.since, today);
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);
}
