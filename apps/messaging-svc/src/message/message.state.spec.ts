import { describe, expect, it } from '@jest/globals';
import { messageState } from '@signalbox/contracts';
import { canMove, isFinal, messageMachine, stateOfTwilioStatus } from './message.state.ts';

const states = messageState.options;

describe('the machine of a message', () => {
  it('knows every state of the contract', () => {
    expect(Object.keys(messageMachine).sort()).toEqual([...states].sort());
  });

  it.each(states)('only ever leads forward from %s', (from) => {
    for (const to of states.filter((state) => canMove(from, state))) {
      expect(messageMachine[to].progress).toBeGreaterThan(messageMachine[from].progress);
    }
  });

  it('ends in its final states, but for a delivered message that is read', () => {
    const exits = states.filter(isFinal).flatMap((from) => messageMachine[from].next.map((to) => `${from} → ${to}`));
    expect(exits).toEqual(['delivered → read']);
  });

  it('reaches every state from accepted', () => {
    const reached = new Set<string>(['accepted']);
    for (const state of reached) {
      for (const next of messageMachine[state as keyof typeof messageMachine].next) reached.add(next);
    }
    expect([...reached].sort()).toEqual([...states].sort());
  });

  it('has a word for every outbound status in Twilio’s description', () => {
    const inbound = ['receiving', 'received'];
    const described = [
      'queued',
      'sending',
      'sent',
      'failed',
      'delivered',
      'undelivered',
      'receiving',
      'received',
      'accepted',
      'scheduled',
      'read',
      'partially_delivered',
      'canceled',
    ];
    expect(described.filter((status) => stateOfTwilioStatus(status) === undefined)).toEqual(inbound);
  });
});
