import type { Failure } from '@signalbox/contracts';

/**
 * One try to hand an item to the provider. The row is committed, with a lease, before the call; so after any crash it is
 * known that a call may have been made, and the attempt is *in doubt* until a callback or the provider itself settles it.
 */
export type AttemptState =
  /** The call may be under way until the lease runs out. */
  | 'calling'
  /** The provider may or may not have the item. */
  | 'in_doubt'
  /** The provider has it. */
  | 'accepted'
  /** The provider refused it for good. */
  | 'refused'
  /** It certainly did not reach the provider, or was turned away to come back later. */
  | 'deferred'
  /** Looked up afterwards: the provider has none. */
  | 'not_taken'
  /** It was never found out: the tenant's policy or an operator said what to do about the item. */
  | 'given_up';

export interface Attempt {
  readonly itemId: string;
  /** From 1 for each item. */
  readonly number: number;
  readonly state: AttemptState;
  /** RFC 3339, UTC, as all times here. */
  readonly startedAt: string;
  /** Until then only the worker that opened the attempt may settle it; afterwards whoever looks after what is in doubt. */
  readonly leaseUntil: string;
  readonly worker: string;
  readonly finishedAt: string | null;
  readonly providerSid: string | null;
  readonly httpStatus: number | null;
  readonly error: Failure | null;
}

export function newAttempt(itemId: string, number: number, worker: string, now: Date, leaseMs: number): Attempt {
  return {
    itemId,
    number,
    state: 'calling',
    startedAt: now.toISOString(),
    leaseUntil: new Date(now.getTime() + leaseMs).toISOString(),
    worker,
    finishedAt: null,
    providerSid: null,
    httpStatus: null,
    error: null,
  };
}
