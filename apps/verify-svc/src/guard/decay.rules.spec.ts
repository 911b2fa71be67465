import { describe, expect, it } from '@jest/globals';
import { addTraffic, type Counts, recentMs, usualOf, without } from './decay.rules.ts';

const start = Date.parse('2026-11-24T18:00:00.000Z');
const at = (ms: number) => new Date(start + ms);
const hours = (count: number) => count * 3_600_000;

/** So many an hour, each minute some, for so long. */
function steady(perHour: number, forMs: number, approvedShare = 0.8, from?: Counts, since = 0): Counts {
  const minute = 60_000;
  let counts = from;
  for (let ms = 0; ms < forMs; ms += minute)
    counts = addTraffic(counts, { started: perHour / 60, approved: (perHour / 60) * approvedShare }, at(since + ms));
  if (!counts) throw new Error('no traffic');
  return counts;
}

describe('counts that fade', () => {
  it('stand for about the last hour when traffic is steady', () => {
    const { recent } = steady(60, hours(12));
    expect(recent.started).toBeGreaterThan(58);
    expect(recent.started).toBeLessThan(62);
    expect(recent.approved / recent.started).toBeCloseTo(0.8);
  });

  it('are a third after an hour without traffic, and nothing after a day', () => {
    const counts = addTraffic(undefined, { started: 100, approved: 50 }, at(0));
    const none = { started: 0, approved: 0 };
    expect(addTraffic(counts, none, at(recentMs)).recent.started).toBeCloseTo(100 / Math.E);
    expect(addTraffic(counts, none, at(hours(24))).recent.started).toBeLessThan(1e-6);
  });

  it('tell what is usual without what is recent', () => {
    const week = steady(60, hours(14 * 24));
    expect(usualOf(week).started).toBeGreaterThan(45);
    expect(usualOf(week).started).toBeLessThan(62);
    const rush = addTraffic(week, { started: 5_000, approved: 0 }, at(hours(14 * 24)));
    expect(usualOf(rush).started).toBeCloseTo(usualOf(week).started, 0);
    expect(usualOf(addTraffic(undefined, { started: 500, approved: 0 }, at(0)))).toEqual({ started: 0, approved: 0 });
  });

  it('can be taken out of one another at any time', () => {
    const part = steady(30, hours(2), 0);
    const other = steady(60, hours(2), 0.5);
    const both = { ...other, recent: sum(part.recent, other.recent), long: sum(part.long, other.long) };
    const later = addTraffic(both, { started: 0, approved: 0 }, at(hours(5)));
    const partLater = addTraffic(part, { started: 0, approved: 0 }, at(hours(5)));
    const otherLater = addTraffic(other, { started: 0, approved: 0 }, at(hours(5)));
    expect(without(later, partLater).recent.started).toBeCloseTo(otherLater.recent.started);
    expect(without(later, partLater).long.approved).toBeCloseTo(otherLater.long.approved);
    expect(without(part, both).recent.started).toBe(0);
  });

  it('do not run backwards with the clock', () => {
    const counts = addTraffic(undefined, { started: 10, approved: 1 }, at(hours(1)));
    expect(addTraffic(counts, { started: 1, approved: 0 }, at(0)).recent).toEqual({ started: 11, approved: 1 });
  });
});

const sum = (a: Counts['recent'], b: Counts['recent']) => ({
  started: a.started + b.started,
  approved: a.approved + b.approved,
});
