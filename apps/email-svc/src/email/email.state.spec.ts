import { describe, expect, it } from '@jest/globals';
import { emailState } from '@signalbox/contracts';
import { canMove, emailMachine } from './email.state.ts';

const states = emailState.options;

describe('the machine of an email', () => {
  it('knows every state of the contract', () => {
    expect(Object.keys(emailMachine).sort()).toEqual([...states].sort());
  });

  it.each(states)('only ever leads forward from %s', (from) => {
    for (const to of states.filter((state) => canMove(from, state))) {
      expect(emailMachine[to].progress).toBeGreaterThan(emailMachine[from].progress);
    }
  });

  it('reaches every state from accepted', () => {
    const reached = new Set<(typeof states)[number]>(['accepted']);
    for (const state of reached) for (const next of emailMachine[state].next) reached.add(next);
    expect([...reached].sort()).toEqual([...states].sort());
  });
});
