import { describe, expect, it } from '@jest/globals';
import { Budget } from './budget.rules.ts';
import type { Limit } from './window.rules.ts';

const hour = 3_600_000;
const now = Date.parse('2026-11-24T18:00:00Z');
const recipient: Limit = { scope: 'recipient', key: 'r', sends: 5, perMs: hour, coolDownMs: 60_000 };
const ip: Limit = { scope: 'ip', key: 'i', sends: 2, perMs: hour, coolDownMs: 0 };

describe('the windows of a transaction', () => {
  it('give one send to the first of those who ask for the same recipient', () => {
    const budget = new Budget(new Map(), now);
    const answers = Array.from({ length: 100 }, () => budget.take([recipient], 'user'));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers[1]).toEqual({ ok: false, scope: 'recipient', retryAfterMs: 60_000 });
  });

  it('take from all or from none, and name the one that lasts longest', () => {
    const budget = new Budget(new Map(), now);
    budget.take([{ ...recipient, key: 'other' }, ip], 'user');
    budget.take([{ ...recipient, key: 'another' }, ip], 'user');
    expect(budget.take([recipient, ip], 'user')).toEqual({ ok: false, scope: 'ip', retryAfterMs: hour });
    expect(
      budget
        .taken()
        .map(({ window }) => window.key)
        .sort(),
    ).toEqual(['another', 'i', 'other']);
    expect(budget.take([recipient], 'user')).toEqual({ ok: true, nextSendAt: now + 60_000 });
  });

  it('have no cool-down for a channel after one that did not work, but count it', () => {
    const budget = new Budget(new Map(), now);
    expect(budget.take([recipient], 'user').ok).toBe(true);
    const answers = Array.from({ length: 5 }, () => budget.take([recipient], 'provider').ok);
    expect(answers).toEqual([true, true, true, true, false]);
  });
});
