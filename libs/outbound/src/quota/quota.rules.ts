import type { Lane } from '@signalbox/contracts';
import type { QuotaLimits, Tenant } from '@signalbox/tenants';
import type { z } from 'zod';
import { type Budget, type Bucket, budgetOf, newBucket, takeSlot } from './bucket.rules.ts';

/** What a quota is for: the whole account, or one value of a kind that the service has, as one sender. */
export interface Scope {
  /** `account`, or the name of a `QuotaKind`. */
  readonly kind: string;
  /** Empty for the account. */
  readonly value: string;
}

export const accountScope: Scope = { kind: 'account', value: '' };

/** A kind of scope besides the account, by which a service paces what it sends: its sender, its destination. */
export interface QuotaKind<Item> {
  /** In scopes and routes: `sender`. */
  readonly name: string;
  /** In the routes: `senders`. */
  readonly plural: string;
  /** For a person: `a sender, or a messaging service by its name`. */
  readonly description: string;
  /** What of this kind an item falls under, the most special first: the first that has a quota is the one that counts. */
  of(item: Item): readonly string[];
  /** What a caller of the HTTP API may write; without `|`, which joins scopes in the name of a waiting line. */
  readonly value: z.ZodType<string, string>;
  /** What the caller means by it, as items have it; left out where it is the same. */
  resolve?(value: string, tenant: Tenant): string;
  /** Set by the service itself: shown over HTTP, and not set there. */
  readonly imposed?: true;
  /** Whether the tenant has it; left out where anything may have a quota. */
  isKnown?(value: string, tenant: Tenant): boolean;
}

export interface Quota {
  readonly scope: Scope;
  readonly limits: QuotaLimits;
  readonly budget: Budget;
  /** Set over HTTP, or given by the tenant file. */
  readonly source: 'runtime' | 'file';
}

/** The quotas of one tenant, by the key of their scope. */
export type Quotas = ReadonlyMap<string, Quota>;

/** What the tenant file says of a service's quotas. */
export type GivenQuotas = readonly (readonly [Scope, QuotaLimits])[];

export function scopeKey({ kind, value }: Scope): string {
  return kind === accountScope.kind ? kind : `${kind}:${value}`;
}

export function scopeOf(key: string): Scope {
  const colon = key.indexOf(':');
  return colon < 0 ? accountScope : { kind: key.slice(0, colon), value: key.slice(colon + 1) };
}

/** What is set at run time stands in front of what the tenant file gives. */
export function quotasOf(given: GivenQuotas, runtime: ReadonlyMap<string, QuotaLimits>): Quotas {
  return new Map([
    ...given.map(([scope, limits]) => [scopeKey(scope), quotaOf(scope, limits, 'file')] as const),
    ...[...runtime].map(([key, limits]) => [key, quotaOf(scopeOf(key), limits, 'runtime')] as const),
  ]);
}

export function quotaOf(scope: Scope, limits: QuotaLimits, source: Quota['source']): Quota {
  return { scope, limits, budget: budgetOf(limits), source };
}

/** The quotas an item falls under: at most one of each kind. */
export function quotasFor<Item>(kinds: readonly QuotaKind<Item>[], quotas: Quotas, item: Item): Quota[] {
  if (quotas.size === 0) return [];
  return [quotas.get(scopeKey(accountScope)), ...kinds.map((kind) => quotaOfKind(kind, quotas, item))].filter(isLimit);
}

function quotaOfKind<Item>(kind: QuotaKind<Item>, quotas: Quotas, item: Item): Quota | undefined {
  for (const value of kind.of(item)) {
    const quota = quotas.get(scopeKey({ kind: kind.name, value }));
    if (quota) return quota;
  }
  return undefined;
}

/** A quota without a rate or a cap lifts the tenant file's, or a less special one. */
function isLimit(quota: Quota | undefined): quota is Quota {
  return quota !== undefined && (quota.budget.intervalMs > 0 || quota.budget.dailyCap < Infinity);
}

/**
 * The waiting line of an item inside its tenant and lane: items that share every quota wait in one line, so a line whose
 * quota is used up is passed over as a whole. The account's quota is common to all lines.
 */
export function queueOf<Item>(kinds: readonly QuotaKind<Item>[], quotas: Quotas, item: Item): string {
  return quotasFor(kinds, quotas, item)
    .filter(({ scope }) => scope.kind !== accountScope.kind)
    .map(({ scope }) => scopeKey(scope))
    .join('|');
}

/** The quotas that hold for a waiting line, as its name tells them; some may be gone by now. */
export function quotasOfQueue(quotas: Quotas, queue: string): Quota[] {
  if (quotas.size === 0) return [];
  return [scopeKey(accountScope), ...queue.split('|')].map((key) => quotas.get(key)).filter(isLimit);
}

/** Between the ways in the name of a waiting line; no value has a `|`. */
const nextWay = '||';

/** The waiting line of an item that may go one of several ways: as it would be on each, the best first. */
export function queueOfWays<Item>(kinds: readonly QuotaKind<Item>[], quotas: Quotas, ways: readonly Item[]): string {
  return ways.map((way) => queueOf(kinds, quotas, way)).join(nextWay);
}

/** The quotas that hold for a waiting line on each way its items may go. */
export function waysOfQueue(quotas: Quotas, queue: string): Quota[][] {
  return queue.split(nextWay).map((way) => quotasOfQueue(quotas, way));
}

/** The buckets that a claim holds, by tenant and scope. */
export type Buckets = Map<string, Bucket>;

export function bucketKey(tenant: string, scope: Scope): string {
  return `${tenant} ${scopeKey(scope)}`;
}

export type Leave =
  | { readonly ok: true; readonly startMs: number }
  | { readonly ok: false; readonly quota: Quota; readonly why: 'rate' | 'cap'; readonly untilMs: number };

/** Whether a claim holds the bucket of each of these quotas. */
export function covers(buckets: Buckets, tenant: string, quotas: readonly Quota[]): boolean {
  return quotas.every(({ scope }) => buckets.has(bucketKey(tenant, scope)));
}

/** Takes a slot from each of the quotas, or from none. The send may start when the last of them begins. */
export function takeSlots(
  buckets: Buckets,
  tenant: string,
  quotas: readonly Quota[],
  lane: Lane,
  nowMs: number,
): Leave {
  let startMs = nowMs;
  const taken: [string, Bucket][] = [];
  for (const quota of quotas) {
    const key = bucketKey(tenant, quota.scope);
    const slot = takeSlot(quota.budget, buckets.get(key) ?? newBucket, lane === 'critical', nowMs);
    if (!slot.ok) return { ok: false, quota, why: slot.why, untilMs: slot.untilMs };
    taken.push([key, slot.bucket]);
    startMs = Math.max(startMs, slot.startMs);
  }
  for (const [key, bucket] of taken) buckets.set(key, bucket);
  return { ok: true, startMs };
}

export type WayLeave =
  | {
      readonly ok: true;
      readonly startMs: number;
      readonly way: number;
      /** What is used up on each way before, in their order. */
      readonly full: readonly Quota[];
    }
  | Extract<Leave, { ok: false }>;

/**
 * Takes a slot from each quota of the first way that has them. A cap that is reached sends on to the next way; for a rate one
 * waits, because it lets the item go soon.
 */
export function takeWay(
  buckets: Buckets,
  tenant: string,
  ways: readonly (readonly Quota[])[],
  lane: Lane,
  nowMs: number,
): WayLeave {
  const full: Quota[] = [];
  let refused: Extract<Leave, { ok: false }> | undefined;
  for (const [way, quotas] of ways.entries()) {
    const leave = takeSlots(buckets, tenant, quotas, lane, nowMs);
    if (leave.ok) return { ...leave, way, full };
    if (leave.why === 'rate') return leave;
    refused = leave;
    full.push(leave.quota);
  }
  if (!refused) throw new RangeError('an item needs a way to go');
  return refused;
}
