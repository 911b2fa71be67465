import type { Failure } from '@signalbox/contracts';
import { isFinal, stateOfStatus } from '../verification/verification.state.ts';
import { type Facts, move, note, type Step } from '../verification/verification.ts';

/** What came of a check, wherever it was made. */
export type CheckOutcome =
  /** Twilio's word for the verification after it. */
  | { readonly kind: 'checked'; readonly status: string; readonly sid: string | null }
  /** Compared here. */
  | { readonly kind: 'compared'; readonly right: boolean }
  /** Twilio has no such verification any more: it is approved, expired or denied, or was not sent yet. */
  | { readonly kind: 'gone'; readonly error: Failure }
  /** Twilio lets no more checks through. */
  | { readonly kind: 'exhausted'; readonly error: Failure }
  /** Certainly not looked at. */
  | { readonly kind: 'not_seen'; readonly error: Failure; readonly retryAfterMs: number | null }
  /** The authenticator is locked, after too many wrong codes in whichever verification. */
  | { readonly kind: 'locked' }
  /** Nobody knows: it counts. */
  | { readonly kind: 'unknown'; readonly error: Failure };

/** What the caller is told. `ended`: there is nothing to check any more; `unsent`: nothing to check yet. */
export type CheckResult = 'approved' | 'wrong' | 'ended' | 'unsent' | 'not_seen' | 'locked' | 'unknown';

export interface CheckDecision {
  readonly step: Step;
  readonly result: CheckResult;
}

/** How long the answers of other checks may take, once Twilio says that it is over. */
const graceMs = 10_000;

/** Decides what a check means that was counted before it was made. */
export function decideCheck(step: Step, outcome: CheckOutcome, now: Date): CheckDecision {
  const at = now.toISOString();
  const { verification } = step;
  switch (outcome.kind) {
    case 'compared':
      if (!outcome.right) return wrong(step, at);
      // A code is right once: of two at the same time the second finds it over.
      if (isFinal(verification.state)) return { step, result: 'ended' };
      return { step: move(step, 'approved', at, tellApproved(verification, at)), result: 'approved' };
    case 'checked': {
      const state = stateOfStatus(outcome.status);
      const facts = outcome.sid === null || verification.providerSid !== null ? {} : { providerSid: outcome.sid };
      if (state === 'approved') {
        // Twilio says so once; an event of it may have been quicker.
        const isOver = isFinal(verification.state) && verification.state !== 'approved';
        return { step: move(step, 'approved', at, facts), result: isOver ? 'ended' : 'approved' };
      }
      const counted = wrong(note(step, facts), at);
      return state === 'denied' ? { ...over(counted.step, 'denied', now), result: 'wrong' } : counted;
    }
    case 'exhausted':
      return over(wrong(step, at).step, 'denied', now);
    case 'gone':
      // Not known to be sent: the call may be under way, or was lost; the check was not seen either.
      if (verification.state === 'accepted')
        return { step: note(step, { checks: Math.max(0, verification.checks - 1) }), result: 'unsent' };
      return over(step, 'expired', now, outcome.error);
    case 'not_seen':
    case 'locked':
      return isFinal(verification.state)
        ? { step, result: 'ended' }
        : { step: note(step, { checks: Math.max(0, verification.checks - 1) }), result: outcome.kind };
    case 'unknown':
      return { step: wrong(step, at).step, result: 'unknown' };
  }
}

/** Twilio counts what it knows of; what was never sent there needs no telling. */
function tellApproved({ providerSid }: Step['verification'], at: string): Facts {
  return providerSid === null ? {} : { toTell: 'approved', dueAt: at };
}

/** One wrong more; with the last one that is allowed it is denied. */
function wrong(step: Step, at: string): CheckDecision {
  const { verification } = step;
  if (isFinal(verification.state)) return { step, result: 'wrong' };
  const counted = note(step, { wrong: verification.wrong + 1 });
  const isLast = counted.verification.wrong >= verification.maxChecks;
  return { step: isLast ? move(counted, 'denied', at) : counted, result: 'wrong' };
}

/**
 * Twilio says that it is over. Not so soon here, while the answers of other checks are under way: one of them may be the right
 * one, and the reason why it is over.
 */
function over(step: Step, state: 'expired' | 'denied', now: Date, error?: Failure): CheckDecision {
  const { verification } = step;
  if (isFinal(verification.state)) return { step, result: 'ended' };
  const others = verification.checks - verification.wrong - (state === 'expired' ? 1 : 0);
  if (others <= 0) return { step: move(step, state, now.toISOString(), error ? { error } : {}), result: 'ended' };
  const soon = new Date(now.getTime() + graceMs).toISOString();
  const isSooner = verification.expiresAt === null || soon < verification.expiresAt;
  return { step: isSooner ? note(step, { expiresAt: soon, dueAt: soon }) : step, result: 'ended' };
}
