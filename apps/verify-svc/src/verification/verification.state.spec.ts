import { describe, expect, it } from '@jest/globals';
import { verificationState } from '@signalbox/contracts';
import { canMove, verificationMachine } from './verification.state.ts';

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
});
