import { describe, expect, it } from '@jest/globals';
import { callState } from '@signalbox/contracts';
import { callMachine, canMove } from './call.state.ts';

const states = callState.options;

describe('the machine of a call', () => {
  it('knows every state of the contract', () => {
    expect(Object.keys(callMachine).sort()).toEqual([...states].sort());
  });

  it.each(states)('only ever leads forward from %s, but for the next round', (from) => {
    for (const to of states.filter((state) => canMove(from, state))) {
      if (from === 'waiting' && to === 'submitting') continue;
      expect(callMachine[to].progress).toBeGreaterThan(callMachine[from].progress);
    }
  });

  it('reaches every state from accepted but rejected, in which a call begins or never is', () => {
    const reached = new Set<(typeof states)[number]>(['accepted']);
    for (const state of reached) for (const next of callMachine[state].next) reached.add(next);
    expect([...reached, 'rejected'].sort()).toEqual([...states].sort());
  });
});
