import type { Failure } from '@signalbox/contracts';
import { isFinal } from '../verification/verification.state.ts';
import { type Facts, move, note, type Step, type Verification, type Why } from '../verification/verification.ts';
import { superseded } from '../start/start.rules.ts';
import { type Attempt, isOpen, type SendOutcome } from './attempt.ts';
import type { Outcome } from './sending.ts';

/** What a decision needs to know beside the verification; times in milliseconds. */
export interface SettleContext {
  readonly now: Date;
  /** How long a code is valid at Twilio. */
  readonly ttlMs: number;
  /** After which a channel that is silent is given up; null for never. */
  readonly silenceMs: number | null;
  /** How long an attempt in doubt is left alone. */
  readonly doubtMs: number;
  readonly leaseMs: number;
  readonly worker: string;
  /** Until the next try of the same channel. */
  readonly backoffMs: (retryAfterMs: number | null) => number;
  /** Whether the code is at hand, for another channel at once: always, unless it is the caller's and came with an earlier request. */
  readonly hasCode: boolean;
}

export interface Settled {
  readonly step: Step;
  readonly attempt: Attempt;
  /** The attempt on the next channel, which is to be made at once. */
  readonly next: Attempt | null;
  /** For the guard to learn from. */
  readonly learned: Pick<Outcome, 'kind' | 'errorCode' | 'channel' | 'to'>[];
}

const clockSkewMs = 5_000;

/** Decides what the outcome of an attempt means. Of an attempt that is settled already it changes nothing. */
export function settle(step: Step, attempt: Attempt, outcome: SendOutcome, context: SettleContext): Settled {
  const same: Settled = { step, attempt, next: null, learned: [] };
  if (!isOpen(attempt.state)) return same;
  const at = context.now.toISOString();
  const httpStatus = 'httpStatus' in outcome ? outcome.httpStatus : attempt.httpStatus;
  const closed = { ...attempt, finishedAt: at, httpStatus };
  switch (outcome.kind) {
    case 'accepted': {
      const { sid, attemptSid } = outcome;
      const taken: Attempt = { ...closed, state: 'accepted', providerSid: sid, attemptSid, error: null };
      const learned = [{ kind: 'sent' as const, errorCode: null, channel: attempt.channel, to: attempt.to ?? '' }];
      return { step: sent(step, taken, outcome.createdAt, context), attempt: taken, next: null, learned };
    }
    case 'in_doubt': {
      const leaseUntil = new Date(context.now.getTime() + context.doubtMs).toISOString();
      return { ...same, attempt: { ...attempt, state: 'in_doubt', leaseUntil, httpStatus, error: outcome.error } };
    }
    case 'not_taken':
      return {
        ...same,
        step: wantAgain(step, attempt, 'not_taken', 0, attempt.error ?? codeGone, context),
        attempt: { ...closed, state: 'not_taken' },
      };
    case 'put_off':
      return {
        ...same,
        step: wantAgain(step, attempt, 'put_off', context.backoffMs(outcome.retryAfterMs), outcome.error, context),
        attempt: { ...closed, state: 'put_off', error: outcome.error },
      };
    case 'refused': {
      const refused: Attempt = { ...closed, state: 'refused', error: outcome.error };
      const { code: errorCode } = outcome.error;
      const learned = [{ kind: 'refused' as const, errorCode, channel: attempt.channel, to: attempt.to ?? '' }];
      return { ...goOn(step, attempt, outcome, context), attempt: refused, learned };
    }
  }
}

/** A code is on its way. */
function sent(step: Step, attempt: Attempt, createdAt: string | null, context: SettleContext): Step {
  const { verification } = step;
  const facts: Facts = { providerSid: attempt.providerSid };
  // It has ended while the call was under way: what is at Twilio has to end as well.
  if (isFinal(verification.state)) {
    // What a later one has superseded is the later one's at Twilio.
    const isOver = verification.state === 'canceled' && verification.error?.code !== superseded;
    return note(step, isOver ? { ...facts, toTell: 'canceled', dueAt: context.now.toISOString() } : facts);
  }
  const expiresAt = earlier(verification.expiresAt, endOfCode(attempt, createdAt, context));
  const pending = { ...verification, ...facts, expiresAt, lastSentAt: attempt.startedAt, wants: null };
  const all: Facts = {
    ...facts,
    expiresAt,
    lastSentAt: attempt.startedAt,
    wants: null,
    error: null,
    dueAt: nextLook(pending, context.silenceMs),
  };
  return verification.state === 'accepted' ? move(step, 'pending', context.now.toISOString(), all) : note(step, all);
}

/** A code for a recipient who has one already ends with the first; so it is their age that counts, where Twilio tells it. */
function endOfCode(attempt: Attempt, createdAt: string | null, { ttlMs }: SettleContext): string | null {
  if (createdAt === null || Date.parse(createdAt) >= Date.parse(attempt.startedAt) - clockSkewMs) return null;
  return new Date(Date.parse(createdAt) + ttlMs).toISOString();
}

function earlier(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return Date.parse(a) < Date.parse(b) ? a : b;
}

/** When the background has to look at a verification of which nothing else is wanted. */
function nextLook(
  { plan, position, lastSentAt, expiresAt }: Pick<Verification, 'plan' | 'position' | 'lastSentAt' | 'expiresAt'>,
  silenceMs: number | null,
): string | null {
  const hasNext = position + 1 < plan.length;
  if (silenceMs === null || !hasNext || lastSentAt === null) return expiresAt;
  return earlier(expiresAt, new Date(Date.parse(lastSentAt) + silenceMs).toISOString());
}

/** The same channel once more, after a pause; or the end, when that is too late or the code is gone. */
function wantAgain(
  step: Step,
  attempt: Attempt,
  why: Why,
  afterMs: number,
  error: Failure,
  context: SettleContext,
): Step {
  const { verification } = step;
  const isLatest = attempt.number === verification.attempts;
  if (isFinal(verification.state) || !isLatest) return step;
  const dueAt = new Date(context.now.getTime() + afterMs);
  const isTooLate = verification.expiresAt !== null && dueAt.getTime() >= Date.parse(verification.expiresAt);
  if (isTooLate || !canSendLater(verification)) return giveUp(step, isTooLate ? error : codeGone, context);
  return note(step, { wants: why, dueAt: dueAt.toISOString() });
}

/** The next channel, at once; without one, what there is: an earlier code that may arrive, another try later, or the end. */
function goOn(
  step: Step,
  attempt: Attempt,
  { error, final, retryAfterMs }: Extract<SendOutcome, { kind: 'refused' }>,
  context: SettleContext,
): Pick<Settled, 'step' | 'next'> {
  const { verification } = step;
  const isLatest = attempt.number === verification.attempts;
  if (isFinal(verification.state) || !isLatest) return { step, next: null };
  const planned = final || !context.hasCode ? undefined : verification.plan[verification.position + 1];
  if (planned) {
    const number = verification.attempts + 1;
    const facts = { position: verification.position + 1, attempts: number, wants: null, error };
    const next = openAttempt(verification, { ...planned, number, why: 'refused' }, context);
    return { step: note(step, facts), next };
  }
  if (!final && retryAfterMs !== null) {
    return {
      step: wantAgain(step, attempt, 'put_off', context.backoffMs(retryAfterMs), error, context),
      next: null,
    };
  }
  return { step: giveUp(step, error, context), next: null };
}

/** A code of the caller's is not kept, so nobody can send it when its request is over. */
export function canSendLater({ request }: Pick<Verification, 'request'>): boolean {
  return request.code !== 'callers';
}

/** Nothing more can be sent. Where a code is under way already, it may still come back. */
export function giveUp(step: Step, error: Failure, { now }: Pick<SettleContext, 'now'>): Step {
  const { verification } = step;
  const at = now.toISOString();
  // Who is blocked for fraud is not to learn it, from Twilio's guard no more than from ours.
  if (verification.state === 'accepted' && error.class === 'fraud') {
    const facts = { refused: `provider_${error.code}`, lastSentAt: at, wants: null, dueAt: verification.expiresAt };
    return move(step, 'pending', at, facts);
  }
  if (verification.state === 'accepted') return move(step, 'failed', at, { error });
  return note(step, { error, wants: null, dueAt: verification.expiresAt });
}

export function openAttempt(
  { id }: Pick<Verification, 'id'>,
  { channel, to, number, why }: Pick<Attempt, 'channel' | 'to' | 'number' | 'why'>,
  { now, leaseMs, worker }: Pick<SettleContext, 'now' | 'leaseMs' | 'worker'>,
): Attempt {
  return {
    verificationId: id,
    number,
    channel,
    to,
    why,
    state: 'calling',
    startedAt: now.toISOString(),
    leaseUntil: new Date(now.getTime() + leaseMs).toISOString(),
    worker,
    finishedAt: null,
    providerSid: null,
    attemptSid: null,
    httpStatus: null,
    error: null,
    delivery: null,
  };
}

const codeGone: Failure = {
  code: 'code_not_kept',
  class: 'terminal',
  title: "The caller's own code is not kept, so it could not be sent again",
  remedy: 'Start again with a new code',
};
