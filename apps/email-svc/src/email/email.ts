import type { SendEmailCommand, EmailState, Failure } from '@signalbox/contracts';
import { canMove } from './email.state.ts';

/** One email as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Email {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  readonly request: SendEmailCommand;
  readonly createdAt: string;

  readonly state: EmailState;
  readonly sequence: number;
  readonly providerSid: string | null;
  readonly error: Failure | null;
  readonly updatedAt: string;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the email. */
export interface StateChange {
  readonly sequence: number;
  readonly from: EmailState | null;
  readonly to: EmailState;
  readonly at: string;
  readonly error: Failure | null;
}

/** What a decision did: the email after it, and the moves that led there. */
export interface Step {
  readonly email: Email;
  readonly changes: readonly StateChange[];
}

export type Facts = Partial<Pick<Email, 'providerSid' | 'error'>>;

export function unchanged(email: Email): Step {
  return { email, changes: [] };
}

/** Moves the email and notes the facts; where its machine forbids the move, nothing happens. */
export function move(step: Step, to: EmailState, at: string, facts: Facts = {}): Step {
  const { email, changes } = step;
  if (!canMove(email.state, to)) return step;
  const change = { sequence: email.sequence + 1, from: email.state, to, at, error: facts.error ?? null };
  return {
    email: { ...email, ...facts, state: to, sequence: change.sequence, updatedAt: at },
    changes: [...changes, change],
  };
}
