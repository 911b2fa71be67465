import { describe, expect, it } from '@jest/globals';
import { type Attempt, newAttempt, type SendOutcome } from '@signalbox/outbound';
import { call, now, placing } from '../../test/builders.ts';
import { type DispatchPolicy, openAttempt, settle } from './dispatch.rules.ts';
import { spoken } from './spoken.rules.ts';

const policy: DispatchPolicy = {
  leaseMs: 30_000,
  settleMs: 15_000,
  backoffBaseMs: 500,
  backoffMaxMs: 300_000,
  giveUpAfterMs: 3_600_000,
  firstCheckMs: 120_000,
};
const sid = 'CA00000000000000000000000000000001';
const error = { code: 20429, class: 'rate', title: 'Too many', remedy: 'Wait' } as const;
const answered = (outcome: SendOutcome, changes: object = {}) => {
  const item = placing(changes);
  const attempt: Attempt = newAttempt(item.id, item.attempt, 'worker', now, policy.leaseMs);
  return settle(item, attempt, outcome, now, policy, () => 1);
};

describe('an attempt', () => {
  it('is the first of a round when the call was accepted, or waited', () => {
    expect(openAttempt(call(), now, 'worker', policy)).toMatchObject({
      step: { call: { state: 'submitting', round: 1, attempt: 1, dueAt: null }, changes: [{ round: 1 }] },
      attempt: { number: 1, state: 'calling', leaseUntil: '2026-11-24T18:00:30.000Z' },
    });
    const again = placing({ state: 'waiting', attempt: 3, answeredBy: 'machine_start', error });
    expect(openAttempt(again, now, 'worker', policy).step.call).toMatchObject({
      state: 'submitting',
      round: 2,
      attempt: 4,
      answeredBy: null,
      error: null,
    });
  });

  it('is one more of its round when the last was turned away', () => {
    const { step, attempt } = openAttempt(placing({ dueAt: now.toISOString() }), now, 'worker', policy);
    expect([step.call.round, step.changes, attempt.number]).toEqual([1, [], 2]);
  });

  it('that is accepted makes the call submitted', () => {
    const { step, attempt } = answered({ kind: 'accepted', sid, status: 'queued', httpStatus: 201 });
    expect(step.call).toMatchObject({ state: 'submitted', providerSid: sid });
    expect(attempt).toMatchObject({ state: 'accepted', providerSid: sid });
  });

  it('that is refused fails the call', () => {
    const { step, attempt } = answered({ kind: 'refused', error, httpStatus: 400 });
    expect(step.call).toMatchObject({ state: 'failed', error });
    expect(attempt.state).toBe('refused');
  });

  it('that is turned away makes it due again: later, or as before when it is the account', () => {
    const turnedAway = { kind: 'deferred', error, httpStatus: 429, retryAfterMs: 2_000 } as const;
    expect(answered(turnedAway).step.call).toMatchObject({ state: 'submitting', dueAt: '2026-11-24T18:00:02.000Z' });
    expect(answered({ ...turnedAway, credentials: true }).step.call.dueAt).toBe(now.toISOString());
  });

  it('that is turned away after it was canceled cancels the call', () => {
    const turnedAway = { kind: 'deferred', error, httpStatus: 429, retryAfterMs: null } as const;
    expect(answered(turnedAway, { cancelRequested: true }).step.call.state).toBe('canceled');
  });

  it('without an answer is in doubt, and moves nothing', () => {
    const { step, attempt } = answered({ kind: 'in_doubt', error, httpStatus: null });
    expect(step.changes).toEqual([]);
    expect(attempt).toMatchObject({ state: 'in_doubt', leaseUntil: '2026-11-24T18:00:15.000Z' });
  });

  it('gives up a call that was tried for long', () => {
    const old = { createdAt: '2026-11-24T12:00:00.000Z', attempt: 12 };
    const turnedAway = { kind: 'deferred', error, httpStatus: 429, retryAfterMs: null } as const;
    expect(answered(turnedAway, old).step.call).toMatchObject({ state: 'failed', error });
  });
});

describe('what is read out', () => {
  it('is text, whatever it looks like', () => {
    expect(spoken('Tom & "Ann" <b>')).toBe('<Response><Say>Tom &amp; "Ann" &lt;b&gt;</Say></Response>');
  });

  it('has nothing that XML has no place for', () => {
    expect(spoken('a\u0000b\ud800c\uffff👍')).toBe('<Response><Say>a b\ufffdc 👍</Say></Response>');
  });
});
