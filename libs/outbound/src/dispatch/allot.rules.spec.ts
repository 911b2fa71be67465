import { describe, expect, it } from '@jest/globals';
import type { Lane } from '@signalbox/contracts';
import fc from 'fast-check';
import { quotaOf } from '../quota/quota.rules.ts';
import { allot, type Contender, type TenantRoom } from './allot.rules.ts';

const now = Date.parse('2026-11-24T18:00:00Z');
const line = (tenant: string, lane: Lane = 'bulk', queue = '', rest: Partial<Contender> = {}): Contender => ({
  line: { tenant, queue, lane, dueMs: now },
  ways: [[]],
  most: Infinity,
  ...rest,
});
const rooms = (...all: [string, claimed: number, room: number][]) =>
  new Map(all.map(([tenant, claimed, room]): [string, TenantRoom] => [tenant, { claimed, room }]));
const counts = (contenders: Contender[], tenants: Map<string, TenantRoom>, places: number) =>
  Object.fromEntries(
    allot(contenders, tenants, places, new Map(), now).shares.map(({ line, count }) => [
      [line.tenant, line.lane, line.queue].filter(Boolean).join(' '),
      count,
    ]),
  );

describe('allot', () => {
  it('serves the urgent lane first, whoever has it', () => {
    const all = [
      line('a', 'bulk'),
      line('b', 'critical', '', { most: 3 }),
      line('a', 'transactional', '', { most: 2 }),
    ];
    expect(counts(all, rooms(['a', 0, 100], ['b', 0, 100]), 8)).toEqual({
      'b critical': 3,
      'a transactional': 2,
      'a bulk': 3,
    });
  });

  it('levels what tenants have under way, so the one with a million gets no more than its part', () => {
    expect(counts([line('a'), line('b'), line('c')], rooms(['a', 6, 100], ['b', 0, 100], ['c', 2, 100]), 10)).toEqual({
      'b bulk': 6,
      'c bulk': 4,
    });
  });

  it('keeps to the room of an account and gives the rest to others', () => {
    expect(counts([line('a'), line('b')], rooms(['a', 0, 2], ['b', 0, 100]), 10)).toEqual({
      'a bulk': 2,
      'b bulk': 8,
    });
    expect(counts([line('a')], rooms(['a', 3, 0]), 10)).toEqual({});
  });

  it('lets the lines of a tenant take turns', () => {
    expect(counts([line('a', 'bulk', 'x'), line('a', 'bulk', 'y')], rooms(['a', 0, 100]), 10)).toEqual({
      'a bulk x': 5,
      'a bulk y': 5,
    });
  });

  it('passes over a line whose quota is used up, and says until when', () => {
    const quota = quotaOf({ kind: 'sender', value: '+1' }, { rate: 10, burst: 3 }, 'file');
    const all = [line('a', 'bulk', 'limited', { ways: [[quota]] }), line('a', 'bulk', 'free')];
    const { shares, throttled } = allot(all, rooms(['a', 0, 100]), 10, new Map(), now);
    expect(shares.map(({ line, count }) => [line.queue, count])).toEqual([
      ['limited', 1],
      ['free', 9],
    ]);
    expect(throttled).toMatchObject([{ line: { queue: 'limited' }, why: 'rate' }]);
    expect(throttled[0]?.untilMs).toBeGreaterThan(now);
  });

  it('hands out every place there is work for, and no two tenants differ by more than one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 0, max: 100 }),
        (lengths, places) => {
          const all = lengths.map((most, index) => line(`t${index}`, 'bulk', '', { most }));
          const given = lengths.map(() => 0);
          const room = rooms(...lengths.map((_, index): [string, number, number] => [`t${index}`, 0, 1000]));
          for (const { line: one, count } of allot(all, room, places, new Map(), now).shares) {
            given[Number(one.tenant.slice(1))] = count;
          }
          const total = given.reduce((sum, count) => sum + count, 0);
          expect(total).toBe(
            Math.min(
              places,
              lengths.reduce((sum, length) => sum + length, 0),
            ),
          );
          const wanting = given.filter((count, index) => count < (lengths[index] ?? 0));
          if (wanting.length > 0) expect(Math.max(...given) - Math.min(...wanting)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
