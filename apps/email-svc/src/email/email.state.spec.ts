import { describe, expect, it } from '@jest/globals';
import { emailState } from '@signalbox/contracts';
import { canMove, emailMachine, isWithProvider, stateOfEvent, wasTried } from './email.state.ts';

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

  it('lets a delivery bounce and be complained of, and nothing come after a complaint', () => {
    expect(emailMachine.delivered.next).toEqual(['bounced', 'complained']);
    expect(states.filter((state) => canMove('complained', state))).toEqual([]);
  });

  it.each([
    ['queued', false, false],
    ['submitting', true, false],
    ['submitted', true, true],
    ['bounced', true, true],
  ] as const)('%s was tried: %s, is with the provider: %s', (state, tried, withProvider) => {
    expect([wasTried(state), isWithProvider(state)]).toEqual([tried, withProvider]);
  });

  it('has no state for an event of tomorrow, nor for a name that every object has', () => {
    expect([stateOfEvent('event_of_tomorrow'), stateOfEvent('toString')]).toEqual([undefined, undefined]);
  });
});
