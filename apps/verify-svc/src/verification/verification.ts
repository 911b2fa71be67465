import type { Failure, Metadata, VerificationState, VerifyChannel } from '@signalbox/contracts';
import { canMove, isFinal } from './verification.state.ts';

/** A channel of the plan, with where it leads. */
export interface PlannedChannel {
  readonly channel: VerifyChannel;
  /** E.164 or an email address; null for `totp`, and once it is redacted. */
  readonly to: string | null;
}

/** What the caller said about it, as far as it is kept. */
export interface VerificationRequest {
  /** Name of the service in the tenant file. */
  readonly service: string | null;
  readonly locale: string | null;
  readonly purpose: string | null;
  readonly subject: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly deviceId: string | null;
  readonly metadata: Metadata;
  /** Where the code comes from: Twilio, or us, or the caller. */
  readonly code: 'provider' | 'ours' | 'callers';
}

/**
 * Why a code is sent: the caller asked, or asked again; the channel before refused, did not deliver, or was silent; it was put
 * off; it turned out that the provider had not taken it.
 */
export type Why = 'asked' | 'asked_again' | 'refused' | 'undelivered' | 'silence' | 'put_off' | 'not_taken';

/** A job at the provider that follows from a state here; done in the background until it is done. */
export type ToTell = 'approved' | 'canceled';

/** One verification as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Verification {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  /** As the caller gave it: E.164 or email; null for `totp`, and once it is redacted. */
  readonly recipient: string | null;
  /** Keyed hash of tenant and recipient. */
  readonly recipientHash: string;
  readonly request: VerificationRequest;
  /** The Verify service at Twilio (VA…); null for `totp`. */
  readonly serviceSid: string | null;
  /** The channels to try, in order; `position` is the one in use. */
  readonly plan: readonly PlannedChannel[];
  readonly position: number;
  readonly createdAt: string;

  readonly state: VerificationState;
  readonly sequence: number;
  readonly providerSid: string | null;
  readonly error: Failure | null;
  /** Why the guard refused it; null when it did not. Such a verification looks like any other, and no code is right. */
  readonly refused: string | null;
  /** Keyed hashes of the codes that are right; empty where Twilio knows the code. */
  readonly codes: readonly string[];
  /** Checks that were let through, and how many of those are known to have been wrong. */
  readonly checks: number;
  readonly wrong: number;
  readonly maxChecks: number;
  /** Codes asked to be sent, that the limits count. */
  readonly sends: number;
  /** Attempts so far; the number of the last one. */
  readonly attempts: number;
  /** Why the background has to send a code at `dueAt`, on the channel at `position`; null when it has not. */
  readonly wants: Why | null;
  readonly lastSentAt: string | null;
  readonly expiresAt: string | null;
  /** When the background has to look at it; null for never. */
  readonly dueAt: string | null;
  readonly toTell: ToTell | null;
  readonly updatedAt: string;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the verification. */
export interface StateChange {
  readonly sequence: number;
  readonly from: VerificationState | null;
  readonly to: VerificationState;
  readonly at: string;
  readonly error: Failure | null;
}

/** What a decision did: the verification after it, and the moves that led there. */
export interface Step {
  readonly verification: Verification;
  readonly changes: readonly StateChange[];
}

export type Facts = Partial<Omit<Verification, 'id' | 'tenant' | 'state' | 'sequence' | 'createdAt' | 'updatedAt'>>;

export function unchanged(verification: Verification): Step {
  return { verification, changes: [] };
}

/** Notes facts that are no move. */
export function note(step: Step, facts: Facts): Step {
  return { ...step, verification: { ...step.verification, ...facts } };
}

/** Moves the verification and notes the facts; where its machine forbids the move, nothing happens. */
export function move(step: Step, to: VerificationState, at: string, facts: Facts = {}): Step {
  const { verification, changes } = step;
  if (!canMove(verification.state, to)) return step;
  const change = { sequence: verification.sequence + 1, from: verification.state, to, at, error: facts.error ?? null };
  const ended = isFinal(to) ? { dueAt: null, wants: null, codes: [] } : {};
  return {
    verification: { ...verification, ...ended, ...facts, state: to, sequence: change.sequence, updatedAt: at },
    changes: [...changes, change],
  };
}
