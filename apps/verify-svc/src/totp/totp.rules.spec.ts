import { describe, expect, it } from '@jest/globals';
import { decide, type Factor, isOver, lockedUntil } from './totp.rules.ts';

const start = Date.parse('2026-11-24T18:00:00.000Z');
const after = (ms: number) => new Date(start + ms);
const minutes = (count: number) => count * 60_000;

const factor: Factor = {
  id: '019a0000-0000-7000-8000-000000000001',
  tenant: 'demo',
  subject: 'user-7',
  issuer: 'Example',
  account: 'a@example.com',
  state: 'active',
  sequence: 2,
  lastStep: null,
  wrongAt: [],
  createdAt: after(0).toISOString(),
  activatedAt: after(0).toISOString(),
  lastUsedAt: null,
};

/** Gives codes one after the other: a step, or null for a wrong one. */
function play(codes: readonly [at: number, step: number | null][]) {
  let current = factor;
  return codes.map(([at, step]) => {
    const { verdict, factor: next } = decide(current, step, after(at));
    current = next;
    return verdict;
  });
}

describe('a code', () => {
  it.each<[string, [number, number | null][], string[]]>([
    [
      'is taken once',
      [
        [0, 100],
        [1, 100],
        [2, 101],
        [3, 100],
      ],
      ['approved', 'replayed', 'approved', 'replayed'],
    ],
    [
      'of an earlier step is not taken after a later one',
      [
        [0, 101],
        [1, 100],
      ],
      ['approved', 'replayed'],
    ],
    [
      'is not looked at after five wrong ones',
      [
        [0, null],
        [1, null],
        [2, null],
        [3, null],
        [4, null],
        [5, 100],
      ],
      ['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'locked'],
    ],
    [
      'counts as wrong when it comes again',
      [
        [0, 100],
        [1, 100],
        [2, 100],
        [3, 100],
        [4, 100],
        [5, 100],
        [6, 101],
      ],
      ['approved', 'replayed', 'replayed', 'replayed', 'replayed', 'replayed', 'locked'],
    ],
    [
      'is looked at again when the first of the five is a quarter of an hour old',
      [
        [0, null],
        [1000, null],
        [2000, null],
        [3000, null],
        [4000, null],
        [minutes(15) - 1, 100],
        [minutes(15), 100],
      ],
      ['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'locked', 'approved'],
    ],
    [
      'that is right does not make up for wrong ones',
      [
        [0, null],
        [1, null],
        [2, null],
        [3, null],
        [4, 100],
        [5, null],
        [6, 101],
      ],
      ['wrong', 'wrong', 'wrong', 'wrong', 'approved', 'wrong', 'locked'],
    ],
  ])('%s', (_label, codes, verdicts) => expect(play(codes)).toEqual(verdicts));

  it('cannot be guessed all day: after twenty wrong ones the next is a day after the first', () => {
    const guesses = Array.from({ length: 24 * 60 }, (_, minute): [number, null] => [minutes(minute), null]);
    expect(play(guesses).filter((verdict) => verdict === 'wrong')).toHaveLength(20);
    const wrongAt = Array.from({ length: 20 }, (_, index) => after(minutes(index * 4)).toISOString());
    expect(lockedUntil(wrongAt, after(minutes(90)))).toEqual(after(24 * 3_600_000));
    expect(lockedUntil(wrongAt, after(24 * 3_600_000))).toBeUndefined();
  });

  it('keeps no more wrong ones than it needs', () => {
    let current = factor;
    for (let day = 0; day < 60; day++) current = decide(current, null, after(day * 24 * 3_600_000)).factor;
    expect(current.wrongAt).toHaveLength(20);
  });
});

it('an enrolment is over after an hour, an active factor never', () => {
  const pending: Factor = { ...factor, state: 'pending' };
  expect([isOver(pending, after(minutes(59))), isOver(pending, after(minutes(60)))]).toEqual([false, true]);
  expect(isOver(factor, after(minutes(600_000)))).toBe(false);
});
