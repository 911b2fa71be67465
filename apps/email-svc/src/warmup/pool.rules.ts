import { type Quota, type QuotaKind, type Quotas, type Scope, scopeKey } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import { z } from 'zod';
import { domainOf, readAddress } from '../email/address.rules.ts';
import type { Email, PoolUse } from '../email/email.ts';
import { mailboxProviderOf } from '../mailbox/mailbox.rules.ts';

type IpPool = NonNullable<NonNullable<Tenant['email']>['ipPools']>[string];

type Pooled = Pick<Email, 'pool' | 'lane'>;

const name = z.string().min(1);

/** How much goes through a pool that warms up. */
const pool: QuotaKind<Pooled> = {
  name: 'pool',
  plural: 'pools',
  description: 'an IP pool that warms up',
  of: ({ pool: use }) => (use?.pool ? [use.pool] : []),
  value: name,
};

/** How much of it to the mailboxes of one provider. */
const mailbox: QuotaKind<Pooled> = {
  name: 'mailbox',
  plural: 'mailboxes',
  description: 'an IP pool that warms up and a mailbox provider',
  of: ({ pool: use }) => (use?.pool ? [`${use.pool}/${use.provider}`] : []),
  value: name,
};

/** Counts what went another way for want of room; codes wait for no count. */
const overflow: QuotaKind<Pooled> = {
  name: 'overflow',
  plural: 'overflows',
  description: 'what an IP pool that warms up had no room for',
  of: ({ pool: use, lane }) => (use?.insteadOf && lane !== 'critical' ? [use.insteadOf.pool] : []),
  value: name,
};

/** By what emails are paced for the sake of warm-up plans; set by the plans alone. */
export const poolKinds: readonly QuotaKind<Pooled>[] = [pool, mailbox, overflow];

export const poolScope = (of: string): Scope => ({ kind: pool.name, value: of });
export const mailboxScope = (of: string, provider: string): Scope => ({
  kind: mailbox.name,
  value: `${of}/${provider}`,
});
export const overflowScope = (of: string): Scope => ({ kind: overflow.name, value: of });

/** Whether it is a warm-up plan that a quota comes from. */
export function isOfWarmup({ scope }: Pick<Quota, 'scope'>): boolean {
  return poolKinds.some(({ name: kind }) => kind === scope.kind);
}

/** The pool that a quota of a warm-up plan is for. */
export function poolOfScope({ value }: Scope): string {
  return value.split('/')[0] ?? value;
}

/**
 * The ways an email may take to SendGrid, the best first: the pool it is meant for, and where that warms up, the pool that takes
 * what it has no room for. The critical lane waits for no warm-up and takes the warm pool at once, or none: then SendGrid chooses.
 */
export function waysOf(tenant: Pick<Tenant, 'email'> | undefined, email: Email, quotas: Quotas): Email[] {
  const pools = tenant?.email?.ipPools ?? {};
  const first = poolFor(tenant?.email, email);
  if (first === undefined) return [withoutPool(tenant, email)];
  const provider = mailboxProviderOf(email.to, tenant?.email?.mailboxProviders);
  const isCritical = email.lane === 'critical';
  const insteadOf: PoolUse['insteadOf'] = { pool: first, why: isCritical ? 'critical' : 'pool_full', cap: null };
  const ways: Email[] = [];
  for (let next: string | undefined = first; next !== undefined;) {
    const known: IpPool | undefined = pools[next];
    const isLimited = [poolScope(next), mailboxScope(next, provider)].some((scope) => quotas.has(scopeKey(scope)));
    if (!(isCritical && isLimited)) {
      const use = { pool: next, name: known?.name ?? next, provider, insteadOf: next === first ? null : insteadOf };
      ways.push({ ...email, pool: use });
    }
    next = isLimited ? known?.warmup?.overflowTo : undefined;
  }
  if (ways.length > 0) return ways;
  return [{ ...email, pool: { pool: null, name: null, provider, insteadOf } }];
}

/** Of an email that is meant for no pool the mailbox provider alone is kept, and that where the tenant has names of its own for them. */
function withoutPool(tenant: Pick<Tenant, 'email'> | undefined, email: Email): Email {
  const own = tenant?.email?.mailboxProviders;
  if (!own) return email.pool === null ? email : { ...email, pool: null };
  const provider = mailboxProviderOf(email.to, own);
  return { ...email, pool: { pool: null, name: email.ipPool, provider, insteadOf: null } };
}

/** The way that was taken, with what kept the email from the pool it was meant for. */
export function takenWay({ pool: use }: Pick<Email, 'pool'>, full: readonly Quota[]): PoolUse | null {
  const [first] = full;
  if (!use?.insteadOf || !first) return use;
  const why = first.scope.kind === mailbox.name ? 'provider_full' : 'pool_full';
  return { ...use, insteadOf: { ...use.insteadOf, why, cap: first.limits.dailyCap ?? null } };
}

/** `ip_pool_name` of an email: the pool it was given, or the one its request names where the tenant has no such pool. */
export function poolNameOf({ pool: use, ipPool }: Pick<Email, 'pool' | 'ipPool'>): string | null {
  return use ? use.name : ipPool;
}

/** The pool, by our name, that an email is meant for; undefined for none, and for one that the tenant file does not know. */
function poolFor(config: Tenant['email'], { ipPool, from, lane }: Email): string | undefined {
  const pools = config?.ipPools ?? {};
  if (ipPool !== null) {
    if (Object.hasOwn(pools, ipPool)) return ipPool;
    return Object.entries(pools).find(([, { name: atSendgrid }]) => atSendgrid === ipPool)?.[0];
  }
  const { senders = {}, lanes = {}, default: usual } = config?.pools ?? {};
  const address = readAddress(from)?.email ?? from;
  return senders[address] ?? senders[domainOf(address)] ?? lanes[lane] ?? usual;
}
