import type { PlaceCallCommand, CallState, Failure } from '@signalbox/contracts';
import { canMove } from './call.state.ts';

/** One call as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Call {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  readonly request: PlaceCallCommand;
  readonly createdAt: string;

  readonly state: CallState;
  readonly sequence: number;
  readonly providerSid: string | null;
  readonly error: Failure | null;
  readonly updatedAt: string;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the call. */
export interface StateChange {
  readonly sequence: number;
  readonly from: CallState | null;
  readonly to: CallState;
  readonly at: string;
  readonly error: Failure | null;
}

/** What a decision did: the call after it, and the moves that led there. */
export interface Step {
  readonly call: Call;
  readonly changes: readonly StateChange[];
}

export type Facts = Partial<Pick<Call, 'providerSid' | 'error'>>;

export function unchanged(call: Call): Step {
  return { call, changes: [] };
}

/** Moves the call and notes the facts; where its machine forbids the move, nothing happens. */
export function move(step: Step, to: CallState, at: string, facts: Facts = {}): Step {
  const { call, changes } = step;
  if (!canMove(call.state, to)) return step;
  const change = { sequence: call.sequence + 1, from: call.state, to, at, error: facts.error ?? null };
  return {
    call: { ...call, ...facts, state: to, sequence: change.sequence, updatedAt: at },
    changes: [...changes, change],
  };
}
