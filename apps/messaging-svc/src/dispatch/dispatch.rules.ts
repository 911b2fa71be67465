import type { Failure } from '@signalbox/contracts';
import { type Attempt, backoff, type BackoffPolicy, newAttempt, type SendOutcome } from '@signalbox/outbound';
import type { MessagingConfig } from '../config.ts';
import { advance } from '../delivery/delivery.rules.ts';
import { type Message, move, note, type Step, unchanged } from '../message/message.ts';

export interface DispatchPolicy extends BackoffPolicy {
  /** How long an attempt belongs to its worker; must exceed the call's time-out. */
  readonly leaseMs: number;
  /** How long to leave an attempt in doubt before the provider's list is searched: its answer may still be on the way there. */
  readonly settleMs: number;
  /** After this long without being handed over a message fails with its last error. */
  readonly giveUpAfterMs: number;
  /** Silence after which the provider is asked for a message's status. */
  readonly firstCheckMs: number;
}

export function policyOf(config: MessagingConfig): DispatchPolicy {
  return {
    leaseMs: config.ATTEMPT_LEASE_MS,
    settleMs: config.IN_DOUBT_SETTLE_MS,
    backoffBaseMs: config.RETRY_BASE_MS,
    backoffMaxMs: config.RETRY_MAX_MS,
    giveUpAfterMs: config.GIVE_UP_AFTER_MS,
    firstCheckMs: config.CALLBACK_OVERDUE_MS,
  };
}

/** Opens an attempt on a message that is due, or ends the message when its time is over. */
export function openAttempt(
  message: Message,
  now: Date,
  worker: string,
  policy: DispatchPolicy,
): { step: Step; attempt: Attempt | null } {
  const at = now.toISOString();
  if (message.expiresAt !== null && message.expiresAt <= at) {
    return { step: move(unchanged(message), 'expired', at, { error: expired }), attempt: null };
  }
  const number = message.attempt + 1;
  // The move is the first attempt's; a later one finds the message in `submitting` already.
  const step = note(move(unchanged(message), 'submitting', at), at, {
    attempt: number,
    dueAt: null,
    checkAt: later(now, policy.leaseMs + policy.firstCheckMs),
  });
  return { step, attempt: newAttempt(message.id, number, worker, now, policy.leaseMs) };
}

/**
 * What an answer of the provider makes of the attempt and its message. The message may have moved on meanwhile, by a
 * callback that overtook the answer: `advance` and `move` keep it from going back.
 */
export function settle(
  message: Message,
  attempt: Attempt,
  outcome: SendOutcome,
  now: Date,
  policy: DispatchPolicy,
  random: () => number,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const step = unchanged(message);
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
      if (outcome.credentials) {
        return {
          step: hold(message, outcome.error, now),
          attempt: { ...closed, state: 'deferred', error: outcome.error },
        };
      }
      const delay = backoff(attempt.number, outcome.retryAfterMs, policy, random);
      return {
        step: retryLater(message, new Date(now.getTime() + delay), outcome.error, now, policy),
        attempt: { ...closed, state: 'deferred', error: outcome.error },
      };
    }
    case 'in_doubt':
      // The lease outlives the answer: what was sent may still be on its way into the provider's list.
      return {
        step,
        attempt: { ...closed, state: 'in_doubt', error: outcome.error, leaseUntil: later(now, policy.settleMs) },
      };
  }
}

/** Due as before: it is the account that has to wait, and however long that takes is not held against the message. */
function hold(message: Message, error: Failure, now: Date): Step {
  return retryLater(message, now, error, now, { giveUpAfterMs: Infinity });
}

/** Schedules the next attempt, or ends the message when that would be too late. */
export function retryLater(
  message: Message,
  due: Date,
  error: Failure,
  now: Date,
  policy: Pick<DispatchPolicy, 'giveUpAfterMs'>,
): Step {
  const at = now.toISOString();
  const step = unchanged(message);
  // A callback has settled it already: there is nothing to retry.
  if (message.state !== 'submitting') return step;
  const dueAt = due.toISOString();
  if (message.expiresAt !== null && message.expiresAt <= dueAt) {
    return move(step, 'expired', at, { error: expired });
  }
  const firstDue = Date.parse(message.sendAt ?? message.createdAt);
  const waited = due.getTime() - Math.max(firstDue, Date.parse(message.createdAt));
  // The time may have gone by in line for a quota: a message that was hardly tried is not given up.
  if (waited > policy.giveUpAfterMs && message.attempt >= fewAttempts) {
    return move(step, 'failed', at, { error });
  }
  return note(step, at, { dueAt });
}

const fewAttempts = 10;

/** Not a second is left, the least the provider can be told to keep trying for. */
export function isTooLate({ expiresAt }: Pick<Message, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== null && Date.parse(expiresAt) - now.getTime() < 1000;
}

export const expired: Failure = {
  code: 'expired',
  class: 'terminal',
  title: 'expiresAt passed before the provider took the message',
  remedy: 'Allow more time, or look why dispatch is slow: attempts in the history say what the provider answered',
};

function later(now: Date, ms: number): string {
  return new Date(now.getTime() + ms).toISOString();
}
