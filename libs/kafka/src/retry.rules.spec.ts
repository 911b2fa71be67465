import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs, defaultRetryPolicy, judge } from './retry.rules.ts';

const policy = { ...defaultRetryPolicy, attempts: 3, baseMs: 100, maxMs: 1_000 };

describe('backoffMs', () => {
  it.each([
    [1, 100],
    [2, 200],
    [4, 800],
    [5, 1_000],
    [5_000, 1_000],
  ])('after failure %i waits less than %i ms', (failures, ceiling) => {
    expect(backoffMs(policy, failures, 0)).toBe(0);
    expect(backoffMs(policy, failures, 0.5)).toBe(ceiling / 2);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        expect(backoffMs(policy, failures, random)).toBeLessThan(ceiling);
      }),
    );
  });
});

describe('judge', () => {
  it.each([
    ['a rejected record', { rejected: true, transient: false, faults: 0, isolating: false }, 'reject'],
    ['an infrastructure fault', { rejected: false, transient: true, faults: 0, isolating: false }, 'retry'],
    ['one after many faults', { rejected: false, transient: true, faults: 99, isolating: true }, 'retry'],
    ['the first fault', { rejected: false, transient: false, faults: 1, isolating: false }, 'retry'],
    ['the last fault but one', { rejected: false, transient: false, faults: 2, isolating: false }, 'retry'],
    ['the last fault', { rejected: false, transient: false, faults: 3, isolating: false }, 'isolate'],
    ['a fault of a part', { rejected: false, transient: false, faults: 1, isolating: true }, 'isolate'],
  ] as const)('%s', (_label, failure, verdict) => {
    expect(judge(policy, failure)).toBe(verdict);
  });
});
