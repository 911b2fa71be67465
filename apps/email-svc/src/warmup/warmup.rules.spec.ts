import { describe, expect, it } from '@jest/globals';
import type { WarmupPlan } from '@signalbox/tenants';
import fc from 'fast-check';
import { changeSetting, dateOf, type WarmupChange, warmupOn, type WarmupSetting } from './warmup.rules.ts';

const plan: WarmupPlan = {
  start: '2026-11-24',
  overflowTo: 'main',
  days: [50, 100, 200],
  perProvider: { gmail: [20, 40] },
};
const dateAfter = (days: number) => dateOf(new Date(Date.parse(plan.start) + days * 86_400_000));

/** What is set by a change on each of some days, counted from the start. */
function after(...changes: [day: number, change: WarmupChange][]): WarmupSetting | undefined {
  return changes.reduce<WarmupSetting | undefined>(
    (setting, [day, change]) => changeSetting('fresh', plan, setting, change, dateAfter(day)),
    undefined,
  );
}

describe('a warm-up plan', () => {
  it.each([
    ['takes nothing before it starts', -2, { state: 'not_started', day: -1, cap: 0, perProvider: {} }],
    ['begins with its first day', 0, { state: 'warming', day: 1, lastDay: 3, cap: 50, perProvider: { gmail: 20 } }],
    ['goes on day by day', 1, { day: 2, cap: 100, perProvider: { gmail: 40 } }],
    ['lets go of a provider when its part is over', 2, { day: 3, cap: 200, perProvider: {} }],
    ['ends after its last day', 3, { state: 'ended', day: 4, cap: null }],
  ])('%s', (_label, days, expected) => {
    expect(warmupOn(plan, undefined, dateAfter(days))).toMatchObject(expected);
  });

  it('stands still while it is paused, and goes on from there', () => {
    const paused = after([1, { paused: true }]);
    expect(warmupOn(plan, paused, dateAfter(1))).toMatchObject({ state: 'paused', day: 2, cap: 0 });
    expect(warmupOn(plan, paused, dateAfter(9))).toMatchObject({ state: 'paused', day: 2, cap: 0 });
    const resumed = after([1, { paused: true }], [9, { paused: false }]);
    expect(warmupOn(plan, resumed, dateAfter(9))).toMatchObject({ state: 'warming', day: 2, cap: 100 });
    expect(warmupOn(plan, resumed, dateAfter(10))).toMatchObject({ day: 3, cap: 200 });
  });

  it('goes on from the day that was set', () => {
    const set = after([2, { day: 1 }]);
    expect(warmupOn(plan, set, dateAfter(2))).toMatchObject({ day: 1, cap: 50 });
    expect(warmupOn(plan, set, dateAfter(3))).toMatchObject({ day: 2, cap: 100 });
  });

  it('keeps to caps set in its place until they are lifted, also past its end', () => {
    const set = after([0, { caps: { total: 7, perProvider: { yahoo: 3 } } }]);
    expect(warmupOn(plan, set, dateAfter(1))).toMatchObject({ day: 2, cap: 7, perProvider: { gmail: 40, yahoo: 3 } });
    expect(warmupOn(plan, set, dateAfter(30))).toMatchObject({ state: 'warming', cap: 7 });
    const other = after([0, { caps: { total: 7 } }], [1, { paused: true }], [1, { paused: false }]);
    expect(warmupOn(plan, other, dateAfter(1))).toMatchObject({ cap: 7 });
    const lifted = after([0, { caps: { total: 7 } }], [1, { caps: null }]);
    expect(warmupOn(plan, lifted, dateAfter(1))).toMatchObject({ day: 2, cap: 100 });
  });

  it('is another one, without what was set of the last, when its start changes', () => {
    const set = after([1, { paused: true, caps: { total: 0 } }]);
    const again = { ...plan, start: dateAfter(5) };
    expect(warmupOn(again, set, dateAfter(5))).toMatchObject({ state: 'warming', day: 1, cap: 50 });
  });

  it('never goes back, never skips a day and never allows more than it says, whatever is paused and resumed', () => {
    const days = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(days, (pausedOn) => {
        let setting: WarmupSetting | undefined;
        let ran = 0;
        for (const [index, paused] of pausedOn.entries()) {
          setting = changeSetting('fresh', plan, setting, { paused }, dateAfter(index));
          const today = warmupOn(plan, setting, dateAfter(index));
          // A day on which it was paused to its end counts for none.
          const day = ran + 1;
          expect(today).toMatchObject({ day, cap: paused ? 0 : (plan.days[day - 1] ?? null) });
          if (!paused) ran++;
        }
      }),
    );
  });
});
