import { describe, expect, it } from '@jest/globals';
import { quotaLimits, tenantQuotas } from './quotas.ts';

const faults = (limits: object) =>
  quotaLimits.safeParse(limits).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

describe('quota limits', () => {
  it.each<[object, string]>([
    [{}, 'lifts a limit'],
    [{ rate: 0.1 }, 'one in ten seconds'],
    [{ rate: 80, burst: 100, dailyCap: 10_000, dailyReserve: 500, timeZone: 'America/Los_Angeles' }, 'everything'],
    [{ rate: null, dailyCap: 0 }, 'nothing may go'],
  ])('%j is valid: %s', (limits) => {
    expect(faults(limits)).toEqual([]);
  });

  it.each([
    [{ burst: 5 }, ['burst: needs rate']],
    [{ timeZone: 'UTC' }, ['timeZone: needs dailyCap']],
    [{ dailyCap: 5, dailyReserve: 6 }, ['dailyReserve: must not be above dailyCap']],
    [{ dailyCap: 5, timeZone: 'Pacific' }, ['timeZone: must be an IANA time zone, e.g. America/Los_Angeles']],
  ])('%j is not: %j', (limits, expected) => {
    expect(faults(limits)).toEqual(expected);
  });

  it('takes only the beginning of an E.164 number as a prefix', () => {
    expect(tenantQuotas.safeParse({ prefixes: { '+49': { rate: 5 } } }).success).toBe(true);
    for (const prefix of ['49', '+0', '+', 'whatsapp:+49']) {
      expect(tenantQuotas.safeParse({ prefixes: { [prefix]: { rate: 5 } } }).success).toBe(false);
    }
  });
});
