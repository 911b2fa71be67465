import type { CallState, Failure, Lane, PlaceCallCommand } from '@signalbox/contracts';
import { canMove, isFinal } from './call.state.ts';

/** One call as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Call {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  readonly request: PlaceCallCommand;
  /** E.164, or an address that begins with `sip:` or `client:`. */
  readonly to: string;
  /** Null when the call was rejected for want of one. */
  readonly from: string | null;
  readonly lane: Lane;
  readonly traceparent: string;
  readonly createdAt: string;

  readonly state: CallState;
  readonly sequence: number;
  /** Which try this is, from 1; 0 before the first. */
  readonly round: number;
  /** Of the round that is under way or was the last; null until it is known. */
  readonly providerSid: string | null;
  /** Of the rounds before. */
  readonly earlierSids: readonly string[];
  readonly error: Failure | null;
  /** Number of the last attempt to hand it over, over all rounds; 0 before the first. */
  readonly attempt: number;
  /** When the dispatcher may take it; null while an attempt is open and when nothing is left to call. */
  readonly dueAt: string | null;
  /** The line it waits in: calls under the same quotas. A hint that dispatch corrects when quotas have changed. */
  readonly queue: string;
  /** When to ask the provider, because its callbacks have been silent; null when nothing more is expected. */
  readonly checkAt: string | null;
  /** Somebody wants it to end, wherever it is. */
  readonly cancelRequested: boolean;
  readonly answeredBy: string | null;
  readonly durationSeconds: number | null;
  readonly updatedAt: string;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the call. */
export interface StateChange {
  readonly sequence: number;
  readonly from: CallState | null;
  readonly to: CallState;
  readonly at: string;
  readonly error: Failure | null;
  /** As they were then, for the event. */
  readonly round: number;
  readonly providerSid: string | null;
  readonly answeredBy: string | null;
  readonly durationSeconds: number | null;
}

/** A line of the history besides those of the moves. */
export interface Remark {
  readonly at: string;
  readonly kind: 'callback' | 'provider_status' | 'in_doubt' | 'settled' | 'cancel';
  /** The CloudEvents id of what it tells; there is one line of it. */
  readonly eventId?: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What a decision did: the call before and after it, the moves that led there, and what else the history should tell. */
export interface Step {
  /** Null for a new call. */
  readonly before: Call | null;
  readonly call: Call;
  readonly changes: readonly StateChange[];
  readonly remarks: readonly Remark[];
}

export type Facts = Partial<
  Pick<
    Call,
    | 'providerSid'
    | 'earlierSids'
    | 'error'
    | 'attempt'
    | 'round'
    | 'dueAt'
    | 'queue'
    | 'checkAt'
    | 'cancelRequested'
    | 'answeredBy'
    | 'durationSeconds'
  >
>;

/** A new call; the state it begins in has none before it. */
export function begin(call: Call): Step {
  return { before: null, call, changes: [change(call, null, call.createdAt)], remarks: [] };
}

export function unchanged(call: Call): Step {
  return { before: call, call, changes: [], remarks: [] };
}

/** Moves the call and notes the facts; where its machine forbids the move, nothing happens. A final state leaves nothing to do. */
export function move(step: Step, to: CallState, at: string, facts: Facts = {}): Step {
  const { call } = step;
  if (!canMove(call.state, to)) return step;
  const moved: Call = {
    ...call,
    // An error belongs to the state it led to.
    error: null,
    ...facts,
    ...(isFinal(to) && { dueAt: null, checkAt: null }),
    state: to,
    sequence: call.sequence + 1,
    updatedAt: at,
  };
  return { ...step, call: moved, changes: [...step.changes, change(moved, call.state, at)] };
}

/** Notes facts that are no move. */
export function note(step: Step, at: string, facts: Facts): Step {
  const { call } = step;
  const known = (Object.keys(facts) as (keyof Facts)[]).every((name) => call[name] === facts[name]);
  return known ? step : { ...step, call: { ...call, ...facts, updatedAt: at } };
}

export function remark(step: Step, line: Remark): Step {
  return { ...step, remarks: [...step.remarks, line] };
}

/** What a call is known by to those who asked for it, in one string. */
export function naturalKey({ tenant, idempotencyKey }: Pick<Call, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

function change(call: Call, from: CallState | null, at: string): StateChange {
  const { sequence, state: to, error, round, providerSid, answeredBy, durationSeconds } = call;
  return { sequence, from, to, at, error, round, providerSid, answeredBy, durationSeconds };
}
