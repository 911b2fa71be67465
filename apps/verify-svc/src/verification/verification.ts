import type { StartVerificationCommand, VerificationState, Failure } from '@signalbox/contracts';
import { canMove } from './verification.state.ts';

/** One verification as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Verification {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  readonly request: StartVerificationCommand;
  readonly createdAt: string;

  readonly state: VerificationState;
  readonly sequence: number;
  readonly providerSid: string | null;
  readonly error: Failure | null;
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

export type Facts = Partial<Pick<Verification, 'providerSid' | 'error'>>;

export function unchanged(verification: Verification): Step {
  return { verification, changes: [] };
}

/** Moves the verification and notes the facts; where its machine forbids the move, nothing happens. */
export function move(step: Step, to: VerificationState, at: string, facts: Facts = {}): Step {
  const { verification, changes } = step;
  if (!canMove(verification.state, to)) return step;
  const change = { sequence: verification.sequence + 1, from: verification.state, to, at, error: facts.error ?? null };
  return {
    verification: { ...verification, ...facts, state: to, sequence: change.sequence, updatedAt: at },
    changes: [...changes, change],
  };
}
