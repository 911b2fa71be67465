import { describe, expect, it } from '@jest/globals';
import { verificationState } from '@signalbox/contracts';
import fc from 'fast-check';
import { now, verification } from '../../test/builders.ts';
import { canMove, isFinal, stateOfStatus, verificationMachine } from './verification.state.ts';
import { move, unchanged } from './verification.ts';

const states = verificationState.options;

describe('the machine of a verification', () => {
  it('knows every state of the contract', () => {
    expect(Object.keys(verificationMachine).sort()).toEqual([...states].sort());
  });

  it.each(states)('only ever leads forward from %s', (from) => {
    for (const to of states.filter((state) => canMove(from, state))) {
      expect(verificationMachine[to].progress).toBeGreaterThan(verificationMachine[from].progress);
    }
  });

  it('reaches every state from accepted', () => {
    const reached = new Set<(typeof states)[number]>(['accepted']);
    for (const state of reached) for (const next of verificationMachine[state].next) reached.add(next);
    expect([...reached].sort()).toEqual([...states].sort());
  });

  it('ends once, whatever is asked of it, and numbers its moves without gaps', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...states)), (wanted) => {
        const step = wanted.reduce((current, to) => move(current, to, now.toISOString()), unchanged(verification()));
        const ends = step.changes.filter(({ to }) => isFinal(to));
        expect(ends.length).toBeLessThanOrEqual(1);
        expect(step.changes.map(({ sequence }) => sequence)).toEqual(step.changes.map((_, index) => 2 + index));
        expect(step.verification.state).toBe(step.changes.at(-1)?.to ?? 'accepted');
      }),
    );
  });

  it('forgets the codes and leaves nothing to do when it ends', () => {
    const open = verification({ codes: ['hash'], wants: 'silence' });
    expect(move(unchanged(open), 'expired', now.toISOString()).verification).toMatchObject({
      codes: [],
      wants: null,
      dueAt: null,
    });
  });
});

describe("the provider's words", () => {
  it.each([
    ['pending', 'pending'],
    ['APPROVED', 'approved'],
    ['MAX_ATTEMPTS_REACHED', 'denied'],
    ['max_attempts_reached', 'denied'],
    ['EXPIRED', 'expired'],
    ['canceled', 'canceled'],
    ['FAILED', 'failed'],
    ['deleted', undefined],
    ['constructor', undefined],
    ['SOMETHING_OF_TOMORROW', undefined],
  ])('%s is %s', (status, state) => {
    expect(stateOfStatus(status)).toBe(state);
  });
});
