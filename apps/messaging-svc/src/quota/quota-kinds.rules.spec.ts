import { describe, expect, it } from '@jest/globals';
import { queueOf, quotasFor, quotasOf, quotasOfQueue, scopeKey } from '@signalbox/outbound';
import { message, tenant } from '../../test/builders.ts';
import { givenQuotas, quotaKinds } from './quota-kinds.rules.ts';

const file = {
  account: { rate: 100 },
  senders: { default: { rate: 10 }, '+14155550100': { rate: 1, dailyCap: 2 } },
  prefixes: { '+1': { rate: 5 }, '+1415': { rate: 2 }, '+49': {} },
};
const quotas = quotasOf(givenQuotas({ ...tenant, quotas: file }), new Map());
const keys = (to: string, changes: object = {}) =>
  quotasFor(quotaKinds, quotas, { ...message({ to }), ...changes }).map(({ scope }) => scopeKey(scope));

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
      expect(quotasOfQueue(quotas, queueOf(quotaKinds, quotas, one))).toEqual(quotasFor(quotaKinds, quotas, one));
    }
    expect(queueOf(quotaKinds, quotasOf(givenQuotas(tenant), new Map()), message())).toBe('');
  });

  it('are those set at run time, in front of the file', () => {
    const runtime = new Map([
      ['account', { rate: 7 }],
      ['prefix:+1415', {}],
    ]);
    const now = quotasOf(givenQuotas({ ...tenant, quotas: file }), runtime);
    expect(quotasFor(quotaKinds, now, message()).map(({ source, limits }) => [source, limits.rate])).toEqual([
      ['runtime', 7],
      ['file', 10],
    ]);
  });
});
