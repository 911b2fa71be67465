import { describe, expect, it } from '@jest/globals';
import { LogBudget } from './log-budget.rules.ts';

describe('LogBudget', () => {
  it('lets a burst pass, then one per second, and counts what it holds back', () => {
    const budget = new LogBudget(2, 1);
    const start = 1_000_000;
    expect([0, 0, 0, 0].map(() => budget.take(start))).toEqual([0, 0, undefined, undefined]);
    expect(budget.take(start + 500)).toBeUndefined();
    expect(budget.take(start + 1000)).toBe(3);
    expect(budget.take(start + 60_000)).toBe(0);
  });
});
