import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { newBucket } from './bucket.rules.ts';
import {
  accountScope,
  bucketKey,
  type Buckets,
  type QuotaKind,
  queueOf,
  queueOfWays,
  quotaOf,
  quotasFor,
  quotasOf,
  quotasOfQueue,
  scopeKey,
  scopeOf,
  takeSlots,
  takeWay,
  waysOfQueue,
} from './quota.rules.ts';

interface Email {
  readonly from: string;
  readonly to: string;
}

/** As a service of emails would have them. */
const kinds: readonly QuotaKind<Email>[] = [
  { name: 'sender', plural: 'senders', description: 'a sender', value: z.string(), of: ({ from }) => [from] },
  {
    name: 'domain',
    plural: 'domains',
    description: 'a mailbox provider',
    value: z.string(),
    of: ({ to }) => {
      const labels = (to.split('@')[1] ?? '').split('.');
      return labels.map((_, index) => labels.slice(index).join('.'));
    },
  },
];

const shop = { from: 'shop@example.com', to: 'a@mail.yahoo.com' };
const quotas = quotasOf(
  [
    [accountScope, { rate: 100 }],
    [{ kind: 'domain', value: 'yahoo.com' }, { rate: 5 }],
    [{ kind: 'domain', value: 'com' }, { rate: 50 }],
    [{ kind: 'domain', value: 'free.example' }, {}],
    [
      { kind: 'sender', value: 'news@example.com' },
      { rate: 1, burst: 2, dailyCap: 2 },
    ],
  ],
  new Map([['domain:gmail.com', { rate: 7 }]]),
);
const keys = (item: Email) => quotasFor(kinds, quotas, item).map(({ scope }) => scopeKey(scope));

describe('the quotas of an item', () => {
  it.each<[Partial<Email>, string[]]>([
    [{}, ['account', 'domain:yahoo.com']],
    [{ to: 'a@gmail.com' }, ['account', 'domain:gmail.com']],
    [{ to: 'a@other.com' }, ['account', 'domain:com']],
    [{ to: 'a@free.example' }, ['account']],
    [{ from: 'news@example.com', to: 'a@example.org' }, ['account', 'sender:news@example.com']],
  ])('%j falls under %j: the most special of each kind counts, and one without a limit lifts', (changes, expected) => {
    expect(keys({ ...shop, ...changes })).toEqual(expected);
  });

  it('name its line, and the line names them', () => {
    expect(queueOf(kinds, quotas, shop)).toBe('domain:yahoo.com');
    for (const item of [shop, { ...shop, from: 'news@example.com' }, { ...shop, to: 'a@example.org' }]) {
      expect(quotasOfQueue(quotas, queueOf(kinds, quotas, item))).toEqual(quotasFor(kinds, quotas, item));
    }
  });

  it('have keys that can be read back', () => {
    for (const scope of [accountScope, { kind: 'sender', value: 'whatsapp:+14155550100' }]) {
      expect(scopeOf(scopeKey(scope))).toEqual(scope);
    }
  });
});

describe('taking slots', () => {
  it('takes one of each quota or none at all', () => {
    const nowMs = Date.parse('2026-11-24T18:00:00Z');
    const buckets: Buckets = new Map();
    const needed = quotasFor(kinds, quotas, { ...shop, from: 'news@example.com' });
    expect(needed).toHaveLength(3);
    expect(takeSlots(buckets, 'demo', needed, 'bulk', nowMs)).toEqual({ ok: true, startMs: nowMs });
    const after = new Map(buckets);
    expect(takeSlots(buckets, 'demo', needed, 'bulk', nowMs)).toMatchObject({ ok: false, why: 'rate' });
    expect(buckets).toEqual(after);
    expect(buckets.get(bucketKey('demo', accountScope))).not.toEqual(newBucket);
  });
});

describe('ways', () => {
  const nowMs = Date.parse('2026-11-24T18:00:00Z');
  const capped = (value: string, dailyCap: number) => quotaOf({ kind: 'sender', value }, { dailyCap }, 'file');
  const slow = quotaOf(accountScope, { rate: 1, burst: 1 }, 'file');
  const used = (buckets: Buckets, value: string) =>
    buckets.get(bucketKey('demo', { kind: 'sender', value }))?.used ?? 0;

  it('are taken in their order, the next one where a cap of those before is reached, of which nothing is taken', () => {
    const buckets: Buckets = new Map();
    const [first, second, full] = [capped('first', 1), capped('second', 1), capped('full', 0)];
    const take = () => takeWay(buckets, 'demo', [[first, full], [first], [second]], 'bulk', nowMs);
    expect(take()).toEqual({ ok: true, startMs: nowMs, way: 1, full: [full] });
    expect(used(buckets, 'first')).toBe(1);
    expect(take()).toEqual({ ok: true, startMs: nowMs, way: 2, full: [first, first] });
    expect(take()).toMatchObject({ ok: false, why: 'cap', quota: second });
    expect([used(buckets, 'first'), used(buckets, 'second')]).toEqual([1, 1]);
  });

  it('are not left for a rate, which lets the item go soon', () => {
    const buckets: Buckets = new Map();
    const take = () => takeWay(buckets, 'demo', [[slow, capped('first', 5)], [capped('second', 5)]], 'bulk', nowMs);
    expect(take()).toMatchObject({ ok: true, way: 0 });
    expect(take()).toMatchObject({ ok: false, why: 'rate' });
    expect(used(buckets, 'second')).toBe(0);
  });

  it('name a line of their own, and the line names them; one way is a line as it always was', () => {
    const ways = [shop, { ...shop, from: 'news@example.com' }, { ...shop, to: 'a@example.org' }];
    const queue = queueOfWays(kinds, quotas, ways);
    expect(waysOfQueue(quotas, queue)).toEqual(ways.map((way) => quotasFor(kinds, quotas, way)));
    expect(queueOfWays(kinds, quotas, [shop])).toBe(queueOf(kinds, quotas, shop));
  });
});
