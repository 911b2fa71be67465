import type { Failure } from '@signalbox/contracts';
import { type Attempt, backoff, type BackoffPolicy, newAttempt, type SendOutcome } from '@signalbox/outbound';
import type { InDoubtPolicy } from '@signalbox/tenants';
import { Duration } from 'luxon';
import type { EmailConfig } from '../config.ts';
import { type Email, move, note, remark, type Step, unchanged } from '../email/email.ts';
import { failures } from '../email/failures.ts';

export interface DispatchPolicy extends BackoffPolicy {
  /** How long an attempt belongs to its worker; must exceed the call's time-out. */
  readonly leaseMs: number;
  /** After this long without being handed over an email fails with its last error. */
  readonly giveUpAfterMs: number;
}

export function policyOf(config: EmailConfig): DispatchPolicy {
  return {
    leaseMs: config.ATTEMPT_LEASE_MS,
    backoffBaseMs: config.RETRY_BASE_MS,
    backoffMaxMs: config.RETRY_MAX_MS,
    giveUpAfterMs: config.GIVE_UP_AFTER_MS,
  };
}

/** Opens an attempt on an email that is due, or ends the email when its time is over. */
export function openAttempt(
  email: Email,
  now: Date,
  worker: string,
  { leaseMs }: Pick<DispatchPolicy, 'leaseMs'>,
): { step: Step; attempt: Attempt | null } {
  const at = now.toISOString();
  if (email.expiresAt !== null && email.expiresAt <= at) {
    return { step: move(unchanged(email), 'expired', at, { error: failures.expired }), attempt: null };
  }
  const number = email.attempt + 1;
  // The move is the first attempt's; a later one finds the email in `submitting` already.
  const step = note(move(unchanged(email), 'submitting', at), at, { attempt: number, dueAt: null });
  return { step, attempt: newAttempt(email.id, number, worker, now, leaseMs) };
}

/** Ends an email that waits because its recipient is on the suppression list by now. */
export function suppress(email: Email, now: Date): Step {
  return move(unchanged(email), 'rejected', now.toISOString(), { error: failures.suppressed });
}

/**
 * What an answer of the provider makes of the attempt and its email. The email may have moved on meanwhile, by an event that
 * overtook the answer: `move` keeps it from going back.
 */
export function settle(
  email: Email,
  attempt: Attempt,
  outcome: SendOutcome,
  now: Date,
  policy: DispatchPolicy,
  random: () => number,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const step = unchanged(email);
  const closed = { ...attempt, finishedAt: at, httpStatus: outcome.httpStatus };
  switch (outcome.kind) {
    case 'accepted': {
      const known = note(step, at, { providerSid: outcome.sid });
      return {
        step: move(known, 'submitted', at),
        attempt: { ...closed, state: 'accepted', providerSid: outcome.sid },
      };
    }
    case 'refused':
      return {
        step: move(step, 'failed', at, { error: outcome.error }),
        attempt: { ...closed, state: 'refused', error: outcome.error },
      };
    case 'deferred': {
      const deferred: Attempt = { ...closed, state: 'deferred', error: outcome.error };
      // Due as before: it is the account that has to wait, and however long that takes is not held against the email.
      const step = outcome.credentials
        ? retryLater(email, now, outcome.error, now, { giveUpAfterMs: Infinity })
        : retryLater(
            email,
            later(now, backoff(attempt.number, outcome.retryAfterMs, policy, random)),
            outcome.error,
            now,
            policy,
          );
      return { step, attempt: deferred };
    }
    case 'in_doubt':
      return { step, attempt: { ...closed, state: 'in_doubt', error: outcome.error } };
  }
}

/** Schedules the next attempt, or ends the email when that would be too late. */
export function retryLater(
  email: Email,
  due: Date,
  error: Failure,
  now: Date,
  policy: Pick<DispatchPolicy, 'giveUpAfterMs'>,
): Step {
  const at = now.toISOString();
  const step = unchanged(email);
  // An event has settled it already: there is nothing to retry.
  if (email.state !== 'submitting') return step;
  const dueAt = due.toISOString();
  if (email.expiresAt !== null && email.expiresAt <= dueAt) {
    return move(step, 'expired', at, { error: failures.expired });
  }
  const waited = due.getTime() - Math.max(Date.parse(email.sendAt ?? email.createdAt), Date.parse(email.createdAt));
  // The time may have gone by in line for a quota: an email that was hardly tried is not given up.
  if (waited > policy.giveUpAfterMs && email.attempt >= fewAttempts) return move(step, 'failed', at, { error });
  return note(step, at, { dueAt });
}

/** What is done about an email of which nobody knows whether the provider took it, and who said so. */
export interface GiveUp {
  readonly as: 'resend' | 'failed';
  /** The name of an API token, or the policy in the tenant file. */
  readonly by: string;
}

/** Closes an attempt in doubt without knowing: the email is due again, or fails. Its history tells who decided that. */
export function giveUp(
  email: Email,
  attempt: Attempt,
  { as, by }: GiveUp,
  now: Date,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const error = attempt.error ?? failures.inDoubt;
  const step =
    as === 'resend'
      ? retryLater(email, now, error, now, { giveUpAfterMs: Infinity })
      : move(unchanged(email), 'failed', at, { error: failures.inDoubt });
  return {
    step: remark(step, { at, kind: 'settled', detail: { attempt: attempt.number, as, by } }),
    attempt: { ...attempt, state: 'given_up', finishedAt: at, error },
  };
}

/** Whether the tenant wants an email sent again that has been in doubt since then. */
export function isResendDue(policy: InDoubtPolicy | undefined, since: Date, now: Date): boolean {
  if (policy?.policy !== 'resend') return false;
  return now.getTime() - since.getTime() >= Duration.fromISO(policy.after).toMillis();
}

/** What is left of an email's time is too little for a call to come of it. */
export function isTooLate({ expiresAt }: Pick<Email, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== null && Date.parse(expiresAt) - now.getTime() < 1000;
}

const fewAttempts = 10;

function later(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}
