import type { Failure } from '@signalbox/contracts';

/**
 * One try to hand a message to the provider. The row is committed, with a lease, before the call; so after any crash
 * it is known that a call may have been made, and the attempt is *in doubt* until a callback or the provider's own
 * list settles it.
 */
export type AttemptState =
  /** The call may be under way until the lease runs out. */
  | 'calling'
  /** The provider may or may not have the message. */
  | 'in_doubt'
  /** The provider has it. */
  | 'accepted'
  /** The provider refused it for good. */
  | 'refused'
  /** It certainly did not reach the provider, or was turned away to come back later. */
  | 'deferred'
  /** Looked up afterwards: the provider has none. */
  | 'not_taken'
  /** It was never found out: the tenant's policy or an operator said what to do about the message. */
  | 'given_up';

export interface Attempt {
  readonly messageId: string;
  readonly number: number;
  readonly state: AttemptState;
  readonly startedAt: string;
  /** Until then only the worker that opened the attempt may settle it; afterwards the reconciler does. */
  readonly leaseUntil: string;
  readonly worker: string;
  readonly finishedAt: string | null;
  readonly providerSid: string | null;
  readonly httpStatus: number | null;
  readonly error: Failure | null;
}

/** What came of a call, as the Twilio client tells it. */
export type SendOutcome =
  | { readonly kind: 'accepted'; readonly sid: string; readonly status: string; readonly httpStatus: number }
  | { readonly kind: 'refused'; readonly error: Failure; readonly httpStatus: number | null }
  | {
      readonly kind: 'deferred';
      readonly error: Failure;
      readonly httpStatus: number | null;
      /** Milliseconds the provider asked us to wait. */
      readonly retryAfterMs: number | null;
      /** It was our credentials that were turned away, so every message of the account would be. */
      readonly credentials?: true;
    }
  | { readonly kind: 'in_doubt'; readonly error: Failure; readonly httpStatus: number | null };

/** A message of the provider's list, with what is needed to recognise it. */
export interface ListedMessage {
  readonly sid: string;
  readonly to: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  readonly body: string;
  readonly status: string;
  readonly createdAt: Date;
}
