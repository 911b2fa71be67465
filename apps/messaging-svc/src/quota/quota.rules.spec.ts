import { describe, expect, it } from '@jest/globals';
import { message, tenant } from '../../test/builders.ts';
import { newBucket } from './bucket.rules.ts';
import {
  bucketKey,
  type Buckets,
  queueOf,
  quotasFor,
  quotasOf,
  quotasOfQueue,
  scopeKey,
  takeSlots,
} from './quota.rules.ts';

const file = {
  account: { rate: 100 },
  senders: { default: { rate: 10 }, '+14155550100': { rate: 1, dailyCap: 2 } },
  prefixes: { '+1': { rate: 5 }, '+1415': { rate: 2 }, '+49': {} },
};
const quotas = quotasOf({ ...tenant, quotas: file }, new Map());
const keys = (to: string, changes: object = {}) =>
  quotasFor(quotas, { ...message({ to }), ...changes }).map(({ scope }) => scopeKey(scope));

describe('the quotas of a message', () => {
  const service = 'sender:MG00000000000000000000000000000001';

  it.each([
    ['+14155550199', ['account', service, 'prefix:+1415']],
    ['+12125550199', ['account', service, 'prefix:+1']],
    ['whatsapp:+14155550199', ['account', service, 'prefix:+1415']],
    ['+4915155501', ['account', service]],
    ['+33155501000', ['account', service]],
  ])('to %s are %j: the longest prefix counts, and one without a limit lifts', (to, expected) => {
    expect(keys(to)).toEqual(expected);
  });

  it('go by its own sender', () => {
    const own = { from: '+14155550100', messagingServiceSid: null };
    expect(keys('+33155501000', own)).toEqual(['account', 'sender:+14155550100']);
    expect(keys('+33155501000', { ...own, from: 'whatsapp:+14155550100' })).toEqual(['account']);
  });

  it('name its line, and the line names them', () => {
    for (const to of ['+14155550199', '+33155501000']) {
      const one = message({ to });
      expect(quotasOfQueue(quotas, queueOf(quotas, one))).toEqual(quotasFor(quotas, one));
    }
    expect(queueOf(quotasOf(tenant, new Map()), message())).toBe('');
  });

  it('are those set at run time, in front of the file', () => {
    const runtime = new Map([
      ['account', { rate: 7 }],
      ['prefix:+1415', {}],
    ]);
    const now = quotasOf({ ...tenant, quotas: file }, runtime);
    expect(quotasFor(now, message()).map(({ source, limits }) => [source, limits.rate])).toEqual([
      ['runtime', 7],
      ['file', 10],
    ]);
  });
});

describe('taking slots', () => {
  it('takes one of each quota or none at all', () => {
    const nowMs = Date.parse('2026-11-24T18:00:00Z');
    const own = message({ from: '+14155550100', messagingServiceSid: null, to: '+12125550199' });
    const buckets: Buckets = new Map();
    const needed = quotasFor(quotas, own);
    expect(takeSlots(buckets, 'demo', needed, 'bulk', nowMs)).toEqual({ ok: true, startMs: nowMs });
    const after = new Map(buckets);
    expect(takeSlots(buckets, 'demo', needed, 'bulk', nowMs)).toMatchObject({ ok: false, why: 'rate' });
    expect(buckets).toEqual(after);
    const account = bucketKey('demo', { kind: 'account', value: '' });
    expect(buckets.get(account)).not.toEqual(newBucket);
  });
});
