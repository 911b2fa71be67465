import { describe, expect, it } from '@jest/globals';
import type { SendOutcome } from '@signalbox/outbound';
import { attempt, email, later, now } from '../../test/builders.ts';
import { failures } from '../email/failures.ts';
import {
  type DispatchPolicy,
  giveUp,
  isResendDue,
  isTooLate,
  openAttempt,
  settle,
  suppress,
} from './dispatch.rules.ts';

const policy: DispatchPolicy = { leaseMs: 30_000, backoffBaseMs: 500, backoffMaxMs: 300_000, giveUpAfterMs: 3_600_000 };
const queued = email({ state: 'queued', sequence: 2, dueAt: now.toISOString() });
const submitting = email({ state: 'submitting', sequence: 3, attempt: 1, templateData: { a: 1 } });
const deferred = (changes: object = {}): SendOutcome => ({
  kind: 'deferred',
  error: failures.tooManyRequests,
  httpStatus: 429,
  retryAfterMs: null,
  ...changes,
});
const settled = (outcome: SendOutcome, from = submitting, number = 1) =>
  settle(from, attempt(number), outcome, now, policy, () => 1);

describe('an attempt', () => {
  it('is opened with a lease, and takes the email out of its line', () => {
    const { step, attempt } = openAttempt(queued, now, 'worker', policy);
    expect(step.email).toMatchObject({ state: 'submitting', attempt: 1, dueAt: null });
    expect(attempt).toMatchObject({ number: 1, state: 'calling', leaseUntil: later(30_000).toISOString() });
  });

  it('is not opened on an email whose time is over', () => {
    const { step, attempt } = openAttempt({ ...queued, expiresAt: now.toISOString() }, now, 'worker', policy);
    expect([step.email.state, attempt]).toEqual(['expired', null]);
  });

  it('that SendGrid took leaves nothing to send', () => {
    const { step, attempt } = settled({ kind: 'accepted', sid: 'sid', status: 'accepted', httpStatus: 202 });
    expect(step.email).toMatchObject({ state: 'submitted', providerSid: 'sid', templateData: null, dueAt: null });
    expect(attempt).toMatchObject({ state: 'accepted', providerSid: 'sid', httpStatus: 202 });
  });

  it('whose answer an event overtook does not take the email back', () => {
    const delivered = email({ state: 'delivered', sequence: 5, providerSid: 'sid' });
    const { step } = settled({ kind: 'accepted', sid: 'sid', status: 'accepted', httpStatus: 202 }, delivered);
    expect([step.email.state, step.changes]).toEqual(['delivered', []]);
  });

  it('that is refused ends the email', () => {
    expect(settled({ kind: 'refused', error: failures.badRequest, httpStatus: 400 }).step.email).toMatchObject({
      state: 'failed',
      error: { code: 'bad_request' },
    });
  });

  it('that is turned away is made again, not before SendGrid wants it', () => {
    expect(settled(deferred({ retryAfterMs: 5_000 })).step.email.dueAt).toBe(later(5_000).toISOString());
    expect(settled(deferred()).step.email.dueAt).toBe(later(500).toISOString());
  });

  it('without an answer stays in doubt, and the email is not due', () => {
    const { step, attempt } = settled({ kind: 'in_doubt', error: failures.unanswered, httpStatus: null });
    expect([step.email, attempt.state]).toEqual([submitting, 'in_doubt']);
  });

  it('is given up after hours, but never for the sake of the credentials', () => {
    const old = { ...submitting, createdAt: later(-4 * 3_600_000).toISOString(), attempt: 12 };
    expect(settled(deferred(), old, 12).step.email.state).toBe('failed');
    const held = settled(deferred({ httpStatus: 401, credentials: true, error: failures.credentialsRefused }), old, 12);
    expect(held.step.email).toMatchObject({ state: 'submitting', dueAt: now.toISOString() });
  });

  it('is not made again after the email has expired', () => {
    const short = { ...submitting, expiresAt: later(2_000).toISOString() };
    expect(settled(deferred({ retryAfterMs: 5_000 }), short).step.email.state).toBe('expired');
  });
});

describe('an email in doubt', () => {
  it('is due again, or fails, as it was decided, and its history says who did', () => {
    const resent = giveUp(submitting, attempt(), { as: 'resend', by: 'spec' }, now);
    expect(resent.step.email).toMatchObject({ state: 'submitting', dueAt: now.toISOString() });
    expect(resent.attempt.state).toBe('given_up');
    const failed = giveUp(submitting, attempt(), { as: 'failed', by: 'spec' }, now);
    expect(failed.step).toMatchObject({
      email: { state: 'failed', error: { code: 'in_doubt' } },
      remarks: [{ kind: 'settled', detail: { attempt: 1, as: 'failed', by: 'spec' } }],
    });
  });

  it.each([
    ['no policy', undefined, 3_600_000, false],
    ['hold', { policy: 'hold', after: 'PT15M' }, 3_600_000, false],
    ['resend, too early', { policy: 'resend', after: 'PT15M' }, 899_000, false],
    ['resend, in time', { policy: 'resend', after: 'PT15M' }, 900_000, true],
  ] as const)('with %s', (_label, wanted, age, expected) => {
    expect(isResendDue(wanted, now, later(age))).toBe(expected);
  });
});

it('a recipient who is suppressed by now ends the email', () => {
  expect(suppress(queued, now).email).toMatchObject({ state: 'rejected', error: { code: 'suppressed' } });
});

it.each([
  [null, false],
  [later(999).toISOString(), true],
  [later(1_000).toISOString(), false],
])('an email that expires at %s is too late: %s', (expiresAt, expected) => {
  expect(isTooLate({ expiresAt }, now)).toBe(expected);
});
