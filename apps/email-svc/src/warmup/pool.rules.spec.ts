import { describe, expect, it } from '@jest/globals';
import type { Lane } from '@signalbox/contracts';
import { type Buckets, queueOfWays, quotasFor, quotasOf, takeWay, waysOfQueue } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import fc from 'fast-check';
import { email, tenant as demo } from '../../test/builders.ts';
import { streamQuota } from '../deliverability/stream-quota.rules.ts';
import { givenQuotas, paceKinds } from '../dispatch/quota-kinds.rules.ts';
import type { Email } from '../email/email.ts';
import { poolNameOf, takenWay, waysOf } from './pool.rules.ts';
import { dateOf } from './warmup.rules.ts';

const start = '2026-11-24';
const dayMs = 86_400_000;
const at = (day: number) => new Date(Date.parse(start) + (day - 1) * dayMs + 3_600_000);

type Pools = NonNullable<NonNullable<Tenant['email']>['ipPools']>;
type Routes = NonNullable<Tenant['email']>['pools'];

const fresh: Pools[string] = {
  name: 'Fresh IPs',
  warmup: { start, overflowTo: 'main', days: [5, 8, 20], perProvider: { gmail: [2, 4, 10] } },
};

function tenantWith(
  pools: Pools = { main: {}, fresh },
  routes: Routes = { default: 'fresh', lanes: {}, senders: {} },
): Tenant {
  return { ...demo, email: { ipPools: pools, pools: routes } };
}

/** Sends emails in their order as dispatch does, with the buckets of the day; null for one that waits. */
function send(tenant: Tenant, emails: readonly Email[], now: Date, buckets: Buckets): (Email['pool'] | null)[] {
  const quotas = quotasOf(givenQuotas(tenant, now, undefined), new Map());
  return emails.map((one) => {
    const ways = waysOf(tenant, one, quotas);
    const needed = ways.map((way) => quotasFor(paceKinds, quotas, way));
    const leave = takeWay(buckets, tenant.name, needed, one.lane, now.getTime());
    return leave.ok ? takenWay(ways[leave.way] ?? one, leave.full) : null;
  });
}

const to = (address: string, lane: Lane = 'bulk') => email({ to: address, lane });
const many = (count: number, address: string) => Array.from({ length: count }, () => to(address));

describe('the pool of an email', () => {
  it.each([
    ['that its request names, by our name', { ipPool: 'main' }, 'main'],
    ["that its request names, by SendGrid's", { ipPool: 'Fresh IPs' }, 'Fresh IPs'],
    ['that its request names, though the tenant file does not', { ipPool: 'elsewhere' }, 'elsewhere'],
    ["of its sender's address", { from: 'News <daily@news.demo.example>' }, 'news-1'],
    ["of its sender's domain", { from: 'weekly@news.demo.example' }, 'Fresh IPs'],
    ['of its lane', { lane: 'critical' }, 'main'],
    ['by default', {}, 'news-1'],
  ] as const)('is the one %s', (_label, fields, expected) => {
    const tenant = tenantWith(
      { main: {}, fresh: { name: 'Fresh IPs' }, news: { name: 'news-1' } },
      {
        default: 'news',
        lanes: { critical: 'main' },
        senders: { 'daily@news.demo.example': 'news', 'news.demo.example': 'fresh' },
      },
    );
    const [way, ...others] = waysOf(tenant, email(fields), new Map());
    expect(others).toEqual([]);
    expect(way && poolNameOf(way)).toBe(expected);
  });

  it('is none where the tenant has none', () => {
    const one = email();
    expect(waysOf(demo, one, new Map())).toEqual([one]);
  });

  it('is none where the tenant has none, but its own name of the mailbox provider is kept, by which its stream is told', () => {
    const own: Tenant = { ...demo, email: { mailboxProviders: { corp: ['corp.example'] } } };
    const [way, ...others] = waysOf(
      own,
      email({ to: 'ann@corp.example', ipPool: 'elsewhere', lane: 'bulk' }),
      new Map(),
    );
    expect(others).toEqual([]);
    expect(way && [poolNameOf(way), streamQuota.of(way)]).toEqual(['elsewhere', ['bulk@corp']]);
  });

  it('is the old one at once for the critical lane, while the new one warms up', () => {
    const codes = Array.from({ length: 20 }, () => to('ann@gmail.com', 'critical'));
    const buckets: Buckets = new Map();
    expect(new Set(send(tenantWith(), codes, at(1), buckets).map((use) => use?.name))).toEqual(new Set(['main']));
    // And takes nothing of the plan.
    expect(send(tenantWith(), many(1, 'ann@example.com'), at(1), buckets)).toMatchObject([{ pool: 'fresh' }]);
    const [late] = send(tenantWith(), codes, at(4), new Map());
    expect(late).toMatchObject({ pool: 'fresh', name: 'Fresh IPs', insteadOf: null });
  });

  it('is left to SendGrid for the critical lane where nothing takes what does not fit', () => {
    const { overflowTo: _, ...warmup } = fresh.warmup ?? { start, days: [1], perProvider: {} };
    const tenant = tenantWith({ fresh: { ...fresh, warmup } });
    const [code] = send(tenant, [to('ann@gmail.com', 'critical')], at(1), new Map());
    expect(code).toMatchObject({ pool: null, name: null, insteadOf: { pool: 'fresh', why: 'critical' } });
  });

  it('is the old one for what the new one has no room for, which is told', () => {
    const uses = send(tenantWith(), [...many(3, 'ann@gmail.com'), ...many(4, 'ann@example.com')], at(1), new Map());
    expect(uses.map((use) => use?.pool)).toEqual(['fresh', 'fresh', 'main', 'fresh', 'fresh', 'fresh', 'main']);
    expect(uses[2]?.insteadOf).toEqual({ pool: 'fresh', why: 'provider_full', cap: 2 });
    expect(uses[6]?.insteadOf).toEqual({ pool: 'fresh', why: 'pool_full', cap: 5 });
  });

  it('goes on from one that warms up to the next', () => {
    const second: Pools[string] = { warmup: { start, overflowTo: 'main', days: [1], perProvider: {} } };
    const first: Pools[string] = { warmup: { start, overflowTo: 'second', days: [1], perProvider: {} } };
    const tenant = tenantWith({ main: {}, fresh: first, second });
    const uses = send(tenant, many(3, 'ann@example.com'), at(1), new Map());
    expect(uses.map((use) => use?.pool)).toEqual(['fresh', 'second', 'main']);
  });

  it('is the new one for everything once the plan is over', () => {
    const uses = send(tenantWith(), many(50, 'ann@gmail.com'), at(4), new Map());
    expect(new Set(uses.map((use) => use?.pool))).toEqual(new Set(['fresh']));
  });
});

describe('what goes through a pool that warms up', () => {
  const volumes = fc
    .array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 })
    .map((all) => all.sort((a, b) => a - b));
  const address = fc.constantFrom('a@gmail.com', 'b@googlemail.com', 'c@yahoo.fr', 'd@outlook.com', 'e@example.com');
  const lane = fc.constantFrom<Lane>('bulk', 'transactional', 'critical');
  const day = fc.array(fc.tuple(address, lane), { maxLength: 40 });

  it('is never more than its plan allows, in all and to each provider, on any day; and nothing waits that has another way', () => {
    fc.assert(
      fc.property(
        volumes,
        fc.record({ gmail: volumes, yahoo: volumes }, { requiredKeys: [] }),
        fc.boolean(),
        fc.array(day, { minLength: 1, maxLength: 8 }),
        (days, perProvider, hasOverflow, traffic) => {
          const warmup = { start, days, perProvider, ...(hasOverflow && { overflowTo: 'main' }) };
          const tenant = tenantWith({ main: {}, fresh: { warmup } });
          const buckets: Buckets = new Map();
          for (const [index, asked] of traffic.entries()) {
            const emails = asked.map(([recipient, of]) => to(recipient, of));
            const uses = send(tenant, emails, at(index + 1), buckets);
            const through = uses.filter((use) => use?.pool === 'fresh');
            const cap = days[index] ?? Infinity;
            expect(through.length).toBeLessThanOrEqual(cap);
            for (const [provider, caps] of Object.entries(perProvider)) {
              const toProvider = through.filter((use) => use?.provider === provider).length;
              expect(toProvider).toBeLessThanOrEqual(caps[index] ?? Infinity);
            }
            const waiting = emails.filter((_one, each) => uses[each] === null);
            if (hasOverflow) expect(waiting).toEqual([]);
            expect(waiting.filter((one) => one.lane === 'critical')).toEqual([]);
            // What waits, waits because something is full.
            const isOpen = through.length < cap && Object.keys(perProvider).length === 0;
            if (isOpen) expect(waiting).toEqual([]);
          }
        },
      ),
    );
  });

  it('can be told from the name of its waiting line', () => {
    const tenant = tenantWith();
    const quotas = quotasOf(givenQuotas(tenant, at(1), undefined), new Map());
    const one = to('ann@gmail.com');
    const ways = waysOf(tenant, one, quotas);
    const queue = queueOfWays(paceKinds, quotas, ways);
    expect(queue).toBe('pool:fresh|mailbox:fresh/gmail||overflow:fresh');
    expect(waysOfQueue(quotas, queue)).toEqual(ways.map((way) => quotasFor(paceKinds, quotas, way)));
    expect(dateOf(at(1))).toBe(start);
  });
});
