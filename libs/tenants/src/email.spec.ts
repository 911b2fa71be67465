import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { email } from './email.ts';

const start = '2026-12-01';
const faultsOf = (written: object) =>
  (email.safeParse(written).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
const warming = (warmup: object, others: object = {}) => ({
  ipPools: { main: {}, fresh: { warmup: { start, days: [50, 100], ...warmup } }, ...others },
});

describe('IP pools of a tenant', () => {
  it('have a plan that is written down, or grows', () => {
    const { ipPools } = email.parse(
      warming({
        overflowTo: 'main',
        days: { first: 50, factor: 2, until: 700 },
        perProvider: { gmail: { first: 1, factor: 1.1, until: 4 }, other: [7, 7] },
      }),
    );
    expect(ipPools?.['fresh']?.warmup).toEqual({
      start,
      overflowTo: 'main',
      days: [50, 100, 200, 400, 700],
      perProvider: { gmail: [1, 2, 3, 4], other: [7, 7] },
    });
  });

  it('grow every day, up to what is wanted and not beyond', () => {
    const form = fc.record({
      first: fc.integer({ min: 1, max: 1_000 }),
      factor: fc.double({ min: 1.1, max: 10, noNaN: true }),
      until: fc.integer({ min: 1_000, max: 1_000_000 }),
    });
    fc.assert(
      fc.property(form, (days) => {
        const plan = email.parse(warming({ days })).ipPools?.['fresh']?.warmup?.days ?? [];
        expect(plan[0]).toBe(days.first);
        expect(plan.at(-1)).toBe(days.until);
        plan.slice(1).forEach((volume, day) => expect(volume).toBeGreaterThan(plan[day] ?? Infinity));
      }),
    );
  });

  it.each([
    ['a volume of none', warming({ days: [0, 5] }), 'ipPools.fresh.warmup.days.0: '],
    ['a plan without days', warming({ days: [] }), 'ipPools.fresh.warmup.days: '],
    ['a day below the one before', warming({ days: [9, 8] }), 'ipPools.fresh.warmup.days.1: must not be below'],
    ['growth that is none', warming({ days: { first: 1, factor: 1, until: 9 } }), 'ipPools.fresh.warmup.days.factor: '],
    [
      'growth that takes years',
      warming({ days: { first: 5_000, factor: 1.00001, until: 9_000 } }),
      'ipPools.fresh.warmup.days.factor: takes more than 366 days',
    ],
    ['growth downwards', warming({ days: { first: 9, factor: 2, until: 8 } }), 'ipPools.fresh.warmup.days.until: '],
    ['a start that is no date', warming({ start: 'soon' }), 'ipPools.fresh.warmup.start: must be a date'],
    [
      'a provider above the pool',
      warming({ perProvider: { gmail: [50, 101] } }),
      'ipPools.fresh.warmup.perProvider.gmail: is above the volume of the pool on day 2',
    ],
    [
      'a provider that is none',
      warming({ perProvider: { gmial: [1] } }),
      'ipPools.fresh.warmup.perProvider.gmial: is no mailbox provider',
    ],
    ['overflow to nowhere', warming({ overflowTo: 'old' }), 'ipPools.fresh.warmup.overflowTo: is not in ipPools'],
    ['overflow to itself', warming({ overflowTo: 'fresh' }), 'ipPools.fresh.warmup.overflowTo: goes round in a circle'],
    [
      'overflow in a circle',
      warming({ overflowTo: 'newer' }, { newer: { warmup: { start, days: [1], overflowTo: 'fresh' } } }),
      'ipPools.fresh.warmup.overflowTo: goes round in a circle',
    ],
    ['one name at SendGrid twice', { ipPools: { one: { name: 'x1' }, two: { name: 'x1' } } }, 'ipPools.two.name: '],
    ['a stream to nowhere', { ipPools: {}, pools: { lanes: { bulk: 'x' } } }, 'pools.lanes.bulk: is not in ipPools'],
    ['a lane that is none', { pools: { lanes: { fast: 'main' } } }, 'pools.lanes'],
  ])('may not have %s', (_label, written, fault) => {
    expect(faultsOf(written)).toContainEqual(expect.stringContaining(fault));
  });
});

describe('mailbox providers of a tenant', () => {
  it('have domains of their own, and names that plans may use', () => {
    const written = {
      ...warming({ perProvider: { intranet: [10] } }),
      mailboxProviders: { gmail: ['corp.example'], intranet: ['hq.example'] },
    };
    expect(faultsOf(written)).toEqual([]);
  });

  it.each([
    ['a domain twice', { gmail: ['a.example'], outlook: ['a.example'] }, 'outlook.0: is already one of gmail'],
    ['an address', { gmail: ['ann@a.example'] }, 'gmail.0: must be a domain in lower case'],
    ['the name other', { other: ['a.example'] }, 'other: '],
  ])('may not have %s', (_label, mailboxProviders, fault) => {
    expect(faultsOf({ mailboxProviders })).toContainEqual(expect.stringContaining(`mailboxProviders.${fault}`));
  });
});
