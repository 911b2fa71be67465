import { describe, expect, it } from '@jest/globals';
import { queueOf, quotasFor, quotasOf, scopeKey } from '@signalbox/outbound';
import { placing, tenant } from '../../test/builders.ts';
import { givenQuotas, quotaKinds } from './quota-kinds.rules.ts';

const voice = (quotas: object) => ({ numbers: {}, httpHeaders: {}, quotas: { senders: {}, prefixes: {}, ...quotas } });
const inForce = (quotas?: object) =>
  quotasOf(givenQuotas(quotas ? { ...tenant, voice: voice(quotas) } : tenant), new Map());
const keys = (quotas: object | undefined, to: string) =>
  quotasFor(quotaKinds, inForce(quotas), placing({ to })).map(({ scope, limits }) => [scopeKey(scope), limits.rate]);

describe('the quotas of a call', () => {
  it('are one a second, as Twilio dials for a new account, where the tenant file says nothing', () => {
    expect(keys(undefined, '+14155550199')).toEqual([['account', 1]]);
  });

  it.each([
    [
      '+14155550199',
      [
        ['account', 10],
        ['sender:+14155550100', 5],
        ['prefix:+1415', 2],
      ],
    ],
    [
      '+12125550199',
      [
        ['account', 10],
        ['sender:+14155550100', 5],
        ['prefix:+1', 3],
      ],
    ],
    [
      'sip:pbx@example.com',
      [
        ['account', 10],
        ['sender:+14155550100', 5],
      ],
    ],
  ])('to %s are those of the account, its number, and the longest prefix', (to, expected) => {
    const file = {
      account: { rate: 10 },
      senders: { '+14155550100': { rate: 5 } },
      prefixes: { '+1': { rate: 3 }, '+1415': { rate: 2 } },
    };
    expect(keys(file, to)).toEqual(expected);
    expect(queueOf(quotaKinds, inForce(file), placing({ to }))).toBe(
      expected
        .slice(1)
        .map(([key]) => key)
        .join('|'),
    );
  });

  it('are none for an account whose own is lifted', () => {
    expect(keys({ account: {} }, '+14155550199')).toEqual([]);
  });
});
