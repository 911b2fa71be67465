import type { QuotaLimits, Tenant } from '@signalbox/tenants';
import type { Lane } from '@signalbox/contracts';
import type { Message } from '../message/message.ts';
import { type Budget, type Bucket, budgetOf, newBucket, takeSlot } from './bucket.rules.ts';

export type ScopeKind = 'account' | 'sender' | 'prefix';

/** What a quota is for: the whole account, one sender or messaging service, or destinations that begin alike. */
export interface Scope {
  readonly kind: ScopeKind;
  /** The `from`, or the SID of the messaging service; the prefix in E.164; empty for the account. */
  readonly value: string;
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

export function scopeKey({ kind, value }: Scope): string {
  return kind === 'account' ? kind : `${kind}:${value}`;
}

export function scopeOf(key: string): Scope {
  const colon = key.indexOf(':');
  return colon < 0
    ? { kind: 'account', value: '' }
    : { kind: key.slice(0, colon) as ScopeKind, value: key.slice(colon + 1) };
}

/** What is set at run time stands in front of the tenant file. */
export function quotasOf(tenant: Tenant | undefined, runtime: ReadonlyMap<string, QuotaLimits>): Quotas {
  return new Map([
    ...fileQuotas(tenant).map(([key, limits]) => [key, quotaOf(scopeOf(key), limits, 'file')] as const),
    ...[...runtime].map(([key, limits]) => [key, quotaOf(scopeOf(key), limits, 'runtime')] as const),
  ]);
}

export function quotaOf(scope: Scope, limits: QuotaLimits, source: Quota['source']): Quota {
  return { scope, limits, budget: budgetOf(limits), source };
}

function fileQuotas(tenant: Tenant | undefined): [string, QuotaLimits][] {
  const { account, senders = {}, prefixes = {} } = tenant?.quotas ?? {};
  return [
    ...(account ? [['account', account] as [string, QuotaLimits]] : []),
    ...Object.entries(senders).map(([name, limits]): [string, QuotaLimits] => [
      scopeKey({ kind: 'sender', value: tenant ? senderOf(tenant, name) : name }),
      limits,
    ]),
    ...Object.entries(prefixes).map(([value, limits]): [string, QuotaLimits] => [
      scopeKey({ kind: 'prefix', value }),
      limits,
    ]),
  ];
}

/** A messaging service goes by its name for people, and by its SID in messages. */
export function senderOf(tenant: Tenant, name: string): string {
  return (Object.hasOwn(tenant.messagingServices, name) ? tenant.messagingServices[name] : undefined) ?? name;
}

type Addressed = Pick<Message, 'to' | 'from' | 'messagingServiceSid'>;

/** The quotas a message falls under: at most one of each kind. */
export function quotasFor(quotas: Quotas, message: Addressed): Quota[] {
  if (quotas.size === 0) return [];
  return [quotas.get('account'), senderQuota(quotas, message), prefixQuota(quotas, message)].filter(isLimit);
}

/** A quota without a rate or a cap lifts the tenant file's, or a shorter prefix's. */
function isLimit(quota: Quota | undefined): quota is Quota {
  return quota !== undefined && (quota.budget.intervalMs > 0 || quota.budget.dailyCap < Infinity);
}

function senderQuota(quotas: Quotas, { from, messagingServiceSid }: Addressed): Quota | undefined {
  return quotas.get(scopeKey({ kind: 'sender', value: messagingServiceSid ?? from ?? '' }));
}

function prefixQuota(quotas: Quotas, { to }: Addressed): Quota | undefined {
  const number = to.replace(/^whatsapp:/, '');
  for (let length = number.length; length > 1; length--) {
    const quota = quotas.get(scopeKey({ kind: 'prefix', value: number.slice(0, length) }));
    if (quota) return quota;
  }
  return undefined;
}

/**
 * The waiting line of a message inside its tenant and lane: messages that share every quota wait in one line, so a line
 * whose quota is used up is passed over as a whole. The account's quota is common to all lines.
 */
export function queueOf(quotas: Quotas, message: Addressed): string {
  return quotasFor(quotas, message)
    .filter(({ scope }) => scope.kind !== 'account')
    .map(({ scope }) => scopeKey(scope))
    .join('|');
}

/** The quotas that hold for a waiting line, as its name tells them; some may be gone by now. */
export function quotasOfQueue(quotas: Quotas, queue: string): Quota[] {
  if (quotas.size === 0) return [];
  return ['account', ...queue.split('|')].map((key) => quotas.get(key)).filter(isLimit);
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
