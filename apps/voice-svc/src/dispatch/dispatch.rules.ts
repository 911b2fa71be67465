import type { Failure } from '@signalbox/contracts';
import { type Attempt, backoff, type BackoffPolicy, newAttempt, type SendOutcome } from '@signalbox/outbound';
import { type Call, move, note, type Step, unchanged } from '../call/call.ts';
import type { VoiceConfig } from '../config.ts';
import { advance } from '../progress/progress.rules.ts';

export interface DispatchPolicy extends BackoffPolicy {
  /** How long an attempt belongs to its worker; must exceed the call's time-out. */
  readonly leaseMs: number;
  /** How long to leave an attempt in doubt before the provider's list is searched: its answer may still be on the way there. */
  readonly settleMs: number;
  /** After this long without being handed over a call fails with its last error. */
  readonly giveUpAfterMs: number;
  /** Silence after which the provider is asked for a call's status. */
  readonly firstCheckMs: number;
}

export function policyOf(config: VoiceConfig): DispatchPolicy {
  return {
    leaseMs: config.ATTEMPT_LEASE_MS,
    settleMs: config.IN_DOUBT_SETTLE_MS,
    backoffBaseMs: config.RETRY_BASE_MS,
    backoffMaxMs: config.RETRY_MAX_MS,
    giveUpAfterMs: config.GIVE_UP_AFTER_MS,
    firstCheckMs: config.CALLBACK_OVERDUE_MS,
  };
}

/** Opens an attempt on a call that is due, the first of a round or one more of it. */
export function openAttempt(
  call: Call,
  now: Date,
  worker: string,
  policy: DispatchPolicy,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const number = call.attempt + 1;
  const facts = {
    attempt: number,
    dueAt: null,
    checkAt: later(now, policy.leaseMs + policy.firstCheckMs),
  };
  // Of the round before.
  const fresh = { round: call.round + 1, answeredBy: null, durationSeconds: null };
  const step =
    call.state === 'submitting'
      ? note(unchanged(call), at, facts)
      : move(unchanged(call), 'submitting', at, { ...facts, ...fresh });
  return { step, attempt: newAttempt(call.id, number, worker, now, policy.leaseMs) };
}

/**
 * What an answer of the provider makes of the attempt and its call. The call may have moved on meanwhile, by a callback that
 * overtook the answer: `advance` and `move` keep it from going back.
 */
export function settle(
  call: Call,
  attempt: Attempt,
  outcome: SendOutcome,
  now: Date,
  policy: DispatchPolicy,
  random: () => number,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const step = unchanged(call);
  const closed = { ...attempt, finishedAt: at, httpStatus: outcome.httpStatus };
  switch (outcome.kind) {
    case 'accepted': {
      const report = { resourceSid: outcome.sid, status: outcome.status, errorCode: null };
      return {
        step: advance(step, report, now).step,
        attempt: { ...closed, state: 'accepted', providerSid: outcome.sid },
      };
    }
    case 'refused':
      return {
        step: move(step, 'failed', at, { error: outcome.error }),
        attempt: { ...closed, state: 'refused', error: outcome.error },
      };
    case 'deferred': {
      const error = outcome.error;
      // It is the account that has to wait, and however long that takes is not held against the call.
      const due = outcome.credentials
        ? now
        : new Date(now.getTime() + backoff(attempt.number, outcome.retryAfterMs, policy, random));
      const limits = outcome.credentials ? { giveUpAfterMs: Infinity } : policy;
      return {
        step: retryLater(call, due, error, now, limits),
        attempt: { ...closed, state: 'deferred', error },
      };
    }
    case 'in_doubt':
      // The lease outlives the answer: what was placed may still be on its way into the provider's list.
      return {
        step,
        attempt: { ...closed, state: 'in_doubt', error: outcome.error, leaseUntil: later(now, policy.settleMs) },
      };
  }
}

const fewAttempts = 10;

/** Schedules the next attempt of the round, or ends the call when that would be too late or is not wanted any more. */
export function retryLater(
  call: Call,
  due: Date,
  error: Failure,
  now: Date,
  policy: Pick<DispatchPolicy, 'giveUpAfterMs'>,
): Step {
  const at = now.toISOString();
  const step = unchanged(call);
  // A callback has settled it already: there is nothing to try again.
  if (call.state !== 'submitting' || call.providerSid !== null) return step;
  if (call.cancelRequested) return move(step, 'canceled', at);
  // The time may have gone by in line for a quota: a call that was hardly tried is not given up.
  const waited = due.getTime() - Date.parse(call.createdAt);
  if (waited > policy.giveUpAfterMs && call.attempt >= fewAttempts) return move(step, 'failed', at, { error });
  return note(step, at, { dueAt: due.toISOString() });
}

function later(now: Date, ms: number): string {
  return new Date(now.getTime() + ms).toISOString();
}
