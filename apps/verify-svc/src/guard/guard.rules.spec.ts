import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  fansOutOfAddress,
  fansOutOfSubject,
  isProven,
  type Look,
  signsOfBlock,
  signsOfPrefix,
  type Start,
  unconvertedShare,
} from './guard.rules.ts';

const abroad = { refusedByProvider: 0, outstandingBeside: 0, isHome: false };
const number = (suffix: number) => `+994501201${String(suffix).padStart(3, '0')}`;

/** Starts numbers one after the other, each of which may be approved some starts later; returns how many went out and the first signs. */
function run(suffixes: readonly number[], approvals: { every?: number; after?: number } = {}) {
  const { every = Infinity, after = 0 } = approvals;
  let starts: Start[] = [];
  for (const [index, suffix] of suffixes.entries()) {
    const done = index - after;
    if (done >= 0 && done % every === 0)
      starts = starts.map((start) =>
        start.number === number(suffixes[done] ?? -1) ? { ...start, approved: true } : start,
      );
    const signs = signsOfBlock(number(suffix), starts, abroad);
    if (signs.length > 0) return { sent: index, signs };
    starts = [
      { number: number(suffix), approved: false },
      ...starts.filter((start) => start.number !== number(suffix)),
    ];
  }
  return { sent: suffixes.length, signs: [] };
}

const sequence = Array.from({ length: 1000 }, (_, index) => index);
/** A permutation without randomness: 379 and 1000 have no common divisor. */
const shuffled = sequence.map((index) => (index * 379) % 1000);

describe('a block of a thousand numbers', () => {
  it.each([
    ['one after the other', sequence, 11, ['sequential']],
    ['from the top down', [...sequence].reverse(), 11, ['sequential']],
    ['every third', sequence.map((index) => (index * 3) % 1000), 11, ['sequential']],
    ['with neighbours that change places', sequence.map((index) => index ^ 1), 11, ['sequential']],
    ['shuffled', shuffled, 24, ['crowded']],
  ] as const)('is stopped early when nobody is there: %s', (_label, suffixes, sent, signs) => {
    expect(run(suffixes)).toEqual({ sent, signs });
  });

  it.each([
    [
      'a company whose hundred employees enrol by their extensions, each within ten others',
      sequence.slice(100, 200),
      { every: 1, after: 10 },
    ],
    ['the same, when but one in three gets it done', sequence.slice(100, 200), { every: 3, after: 6 }],
    ['a busy block of which half converts', shuffled, { every: 2, after: 10 }],
  ])('is left alone: %s', (_label, suffixes, approvals) => {
    expect(run(suffixes, approvals)).toMatchObject({ signs: [] });
  });

  it('is left alone longer at home, where neighbouring numbers are no sign', () => {
    const starts = sequence.slice(0, 44).map((suffix) => ({ number: number(suffix), approved: false }));
    const home = { ...abroad, isHome: true };
    expect(signsOfBlock(number(43), starts.slice(0, 43), home)).toEqual([]);
    expect(signsOfBlock(number(44), starts, home)).toEqual(['crowded']);
  });

  it('has less for itself beside blocks where nobody approves, and never nothing', () => {
    const starts = (count: number) =>
      shuffled.slice(0, count).map((suffix) => ({ number: number(suffix), approved: false }));
    const beside = (outstandingBeside: number) => ({ ...abroad, outstandingBeside });
    expect(signsOfBlock(number(1), starts(13), beside(10))).toEqual([]);
    expect(signsOfBlock(number(1), starts(14), beside(10))).toEqual(['crowded']);
    expect(signsOfBlock(number(1), starts(3), beside(100))).toEqual([]);
    expect(signsOfBlock(number(1), starts(4), beside(100))).toEqual(['crowded']);
  });

  it('lets a number that is known try again, and stops on the word of the provider', () => {
    const starts = Array.from({ length: 24 }, (_, index) => ({ number: number(index * 41), approved: false }));
    expect(signsOfBlock(number(41), starts, abroad)).toEqual([]);
    expect(signsOfBlock(number(999), starts, abroad)).toEqual(['crowded']);
    expect(signsOfBlock(number(999), [], { ...abroad, refusedByProvider: 2 })).toEqual([]);
    expect(signsOfBlock(number(999), [], { ...abroad, refusedByProvider: 3 })).toEqual(['provider']);
  });

  it('never goes beyond the allowance without approvals, whatever the order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(sequence, { minLength: 50 }), (suffixes) => {
        const { sent } = run(suffixes);
        expect(sent).toBeGreaterThanOrEqual(11);
        expect(sent).toBeLessThanOrEqual(24);
      }),
    );
  });

  it('with more approvals never finds more', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(999), fc.boolean()), { maxLength: 120 }), fc.nat(999), (entries, suffix) => {
        const starts = [...new Map(entries).entries()].map(([key, approved]) => ({ number: number(key), approved }));
        const all = starts.map((start) => ({ ...start, approved: true }));
        expect(signsOfBlock(number(suffix), all, abroad)).toEqual([]);
        for (const [index] of starts.entries()) {
          const more = starts.map((start, at) => (at === index ? { ...start, approved: true } : start));
          if (signsOfBlock(number(suffix), starts, abroad).length === 0)
            expect(signsOfBlock(number(suffix), more, abroad)).toEqual([]);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('a wider prefix', () => {
  const look = (changes: Partial<Look> = {}): Look => ({
    level: 'area',
    recent: { started: 0, approved: 0 },
    usual: { started: 0, approved: 0 },
    blockedBelow: 0,
    isHome: false,
    ...changes,
  });
  it.each([
    ['a new country with its first ten starts', { level: 'country', recent: { started: 10, approved: 0 } }, []],
    ['a launch in one city that converts', { recent: { started: 900, approved: 560 } }, []],
    ['its first seconds, before anybody has typed the code', { recent: { started: 190, approved: 0 } }, []],
    ['a rush at home', { recent: { started: 500, approved: 1 }, isHome: true }, []],
    [
      'a rush where many thousands convert every week',
      { recent: { started: 500, approved: 10 }, usual: { started: 90, approved: 60 } },
      [],
    ],
    ['many, of which one in three converts', { recent: { started: 3_000, approved: 1_000 } }, []],
    ['many, of which nobody converts', { recent: { started: 210, approved: 1 } }, ['unconverted', 'sudden']],
    [
      'as many as ever, of which nobody converts now',
      { recent: { started: 230, approved: 1 }, usual: { started: 100, approved: 4 } },
      ['unconverted'],
    ],
    [
      'fewer, where twenty blocks under it are known to be pumped',
      { recent: { started: 45, approved: 0 }, blockedBelow: 20 },
      ['unconverted', 'sudden'],
    ],
    [
      'as many, that convert, beside twenty pumped blocks',
      { recent: { started: 45, approved: 20 }, blockedBelow: 20 },
      [],
    ],
  ] satisfies [string, Partial<Look>, string[]][])('%s', (_label, changes, signs) => {
    expect(signsOfPrefix(look(changes))).toEqual(signs);
  });

  it('is never held against one that converts one in three', () => {
    const traffic = fc.tuple(fc.nat(100_000), fc.double({ min: 1 / 3, max: 1, noNaN: true }));
    fc.assert(
      fc.property(
        traffic,
        fc.nat(50),
        fc.constantFrom('ten_thousand', 'hundred_thousand', 'area', 'country'),
        ([approved, share], blockedBelow, level) => {
          expect(signsOfPrefix(look({ level, blockedBelow, recent: { started: approved / share, approved } }))).toEqual(
            [],
          );
        },
      ),
    );
  });
});

describe('one address, one user', () => {
  it('may start a few numbers that nobody approves, and more with approvals', () => {
    expect(fansOutOfAddress({ started: 19, approved: 0 })).toBe(false);
    expect(fansOutOfAddress({ started: 20, approved: 0 })).toBe(true);
    expect(fansOutOfAddress({ started: 300, approved: 150 })).toBe(false);
    expect(fansOutOfSubject({ started: 4, approved: 0 })).toBe(false);
    expect(fansOutOfSubject({ started: 5, approved: 0 })).toBe(true);
  });
});

it('a block has proved a mistake when a third was approved after all', () => {
  expect(isProven({ started: 24, approved: 8 })).toBe(true);
  expect(isProven({ started: 24, approved: 7 })).toBe(false);
  expect(isProven({ started: 0, approved: 0 })).toBe(false);
  expect(unconvertedShare({ started: 24, approved: 6 })).toBe(0.75);
  expect(unconvertedShare({ started: 0, approved: 0 })).toBe(0);
});
