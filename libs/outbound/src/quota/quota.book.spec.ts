import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Tenant } from '@signalbox/tenants';
import { QuotaBook } from './quota.book.ts';
import { accountScope } from './quota.rules.ts';

beforeEach(() => void jest.useFakeTimers({ now: new Date('2026-11-24T23:59:00Z') }));
afterEach(() => void jest.useRealTimers());

it('asks the tenant file anew when it changes and when a day begins, as a warm-up needs it', () => {
  let tenant = { name: 'demo' } as Tenant;
  const asked: string[] = [];
  const book = new QuotaBook(
    () => Promise.reject(new Error('nothing is read')),
    { byName: () => tenant },
    (_tenant, now) => {
      asked.push(now.toISOString().slice(0, 10));
      return [[accountScope, { dailyCap: asked.length * 50 }]];
    },
  );
  const cap = () => book.of('demo').get('account')?.limits.dailyCap;
  expect([cap(), cap()]).toEqual([50, 50]);
  jest.setSystemTime(new Date('2026-11-25T00:00:00Z'));
  expect([cap(), cap()]).toEqual([100, 100]);
  tenant = { name: 'demo' } as Tenant;
  expect(cap()).toBe(150);
  expect(asked).toEqual(['2026-11-24', '2026-11-25', '2026-11-25']);
});
