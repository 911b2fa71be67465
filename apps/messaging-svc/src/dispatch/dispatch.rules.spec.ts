import { describe, expect, it } from '@jest/globals';
import type { SendOutcome } from '@signalbox/outbound';
import { after, attempt, message, now, policy } from '../../test/builders.ts';
import { isTooLate, openAttempt, retryLater, settle } from './dispatch.rules.ts';

const error = { code: 20429, class: 'rate', title: 'Too many requests', remedy: 'Slow down' } as const;
const half = () => 0.5;

describe('openAttempt', () => {
  it('moves a queued message to submitting and leases the attempt', () => {
    const queued = message({ state: 'queued', sequence: 2, attempt: 0, dueAt: now.toISOString() });
    const { step, attempt: opened } = openAttempt(queued, now, 'pod/1', policy);
    expect(step.message).toMatchObject({ state: 'submitting', sequence: 3, attempt: 1, dueAt: null });
    expect(opened).toMatchObject({
      number: 1,
      state: 'calling',
      worker: 'pod/1',
      leaseUntil: after(30_000).toISOString(),
    });
  });

  it('opens a further attempt without a further move: a retry is not an event', () => {
    const { step, attempt: opened } = openAttempt(message({ dueAt: now.toISOString() }), now, 'pod/1', policy);
    expect(step.changes).toEqual([]);
    expect(step.message).toMatchObject({ state: 'submitting', attempt: 2, dueAt: null });
    expect(opened?.number).toBe(2);
  });

  it('never sends past the expiry', () => {
    const late = message({ state: 'queued', sequence: 2, expiresAt: now.toISOString(), dueAt: now.toISOString() });
    const { step, attempt: opened } = openAttempt(late, now, 'pod/1', policy);
    expect(opened).toBeNull();
    expect(step.message).toMatchObject({ state: 'expired', dueAt: null, error: { code: 'expired' } });
  });
});

describe('isTooLate', () => {
  it.each([
    [null, false],
    [1000, false],
    [999, true],
    [0, true],
    [-1, true],
  ])('with %s ms to its expiry: %s', (left, expected) => {
    expect(isTooLate({ expiresAt: left === null ? null : after(left).toISOString() }, now)).toBe(expected);
  });

  it('ends the message instead of another call', () => {
    const outcome = { kind: 'deferred', error, httpStatus: null, retryAfterMs: 1000 } as const;
    const late = message({ expiresAt: after(999).toISOString() });
    expect(settle(late, attempt(), outcome, now, policy, () => 0).step.message.state).toBe('expired');
  });
});

describe('settle', () => {
  const answers: [string, SendOutcome, object, object][] = [
    [
      'an acceptance',
      { kind: 'accepted', sid: 'SM1', status: 'queued', httpStatus: 201 },
      { state: 'submitted', providerSid: 'SM1', dueAt: null },
      { state: 'accepted', providerSid: 'SM1', finishedAt: now.toISOString() },
    ],
    [
      'a refusal',
      { kind: 'refused', error, httpStatus: 400 },
      { state: 'failed', error, dueAt: null, checkAt: null },
      { state: 'refused', error },
    ],
    [
      'a call that must be made again',
      { kind: 'deferred', error, httpStatus: 429, retryAfterMs: null },
      { state: 'submitting', dueAt: after(250).toISOString() },
      { state: 'deferred', error },
    ],
    [
      'a call without an answer',
      { kind: 'in_doubt', error, httpStatus: null },
      { state: 'submitting', dueAt: null },
      { state: 'in_doubt', leaseUntil: after(15_000).toISOString() },
    ],
  ];

  it.each(answers)('%s', (_label, outcome, expectedMessage, expectedAttempt) => {
    const settled = settle(message(), attempt(), outcome, now, policy, half);
    expect(settled.step.message).toMatchObject(expectedMessage);
    expect(settled.attempt).toMatchObject(expectedAttempt);
  });

  it.each(answers)('%s changes nothing that a callback has said before', (_label, outcome) => {
    const delivered = message({ state: 'delivered', sequence: 5, providerSid: 'SM1' });
    const settled = settle(delivered, attempt(), outcome, now, policy, half);
    expect(settled.step.message).toMatchObject({ state: 'delivered', sequence: 5, dueAt: null, error: null });
  });
});

describe('retryLater', () => {
  it('ends a message that would expire first', () => {
    const step = retryLater(message({ expiresAt: after(1000).toISOString() }), after(1000), error, now, policy);
    expect(step.message).toMatchObject({ state: 'expired', error: { code: 'expired' } });
  });

  it('gives up with the last error in the end, counted from when it was to be sent', () => {
    const old = message({ attempt: 10, createdAt: after(-policy.giveUpAfterMs).toISOString() });
    expect(retryLater(old, after(1), error, now, policy).message).toMatchObject({ state: 'failed', error });
    const hardlyTried = { ...old, attempt: 9 };
    expect(retryLater(hardlyTried, after(1), error, now, policy).message.state).toBe('submitting');
    const scheduled = { ...old, sendAt: now.toISOString() };
    expect(retryLater(scheduled, after(1), error, now, policy).message.state).toBe('submitting');
  });
});

describe('refused credentials', () => {
  const outcome = { kind: 'deferred', error, httpStatus: 401, retryAfterMs: null, credentials: true } as const;

  it('hold the message, due as it was, however long it takes', () => {
    const old = message({ attempt: 50, createdAt: after(-10 * policy.giveUpAfterMs).toISOString() });
    const settled = settle(old, attempt({ number: 50 }), outcome, now, policy, half);
    expect(settled.step.message).toMatchObject({ state: 'submitting', dueAt: now.toISOString() });
    expect(settled.attempt).toMatchObject({ state: 'deferred', httpStatus: 401 });
  });

  it('do not hold it past its expiry', () => {
    const late = message({ expiresAt: now.toISOString() });
    expect(settle(late, attempt(), outcome, now, policy, half).step.message.state).toBe('expired');
  });
});
