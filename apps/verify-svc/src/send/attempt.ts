import type { Failure, VerifyChannel } from '@signalbox/contracts';
import type { Why } from '../verification/verification.ts';

/**
 * One try to have a code sent. The row is committed, with a lease, before the call; so after any crash it is known that a call
 * may have been made, and the attempt is *in doubt* until an event or the provider's own resource settles it.
 */
export type AttemptState =
  /** The call may be under way until the lease runs out. */
  | 'calling'
  /** The provider may or may not have sent the code. */
  | 'in_doubt'
  /** The provider took it. */
  | 'accepted'
  /** The provider refused it on this channel. */
  | 'refused'
  /** It certainly did not reach the provider, or was turned away to come back later. */
  | 'put_off'
  /** Looked up afterwards: the provider has none. */
  | 'not_taken';

export interface Attempt {
  readonly verificationId: string;
  readonly number: number;
  readonly channel: VerifyChannel;
  /** E.164 or an email address; null once it is redacted. */
  readonly to: string | null;
  readonly why: Why;
  readonly state: AttemptState;
  readonly startedAt: string;
  /** Until then only the worker that opened the attempt may settle it; afterwards the reconciler does. */
  readonly leaseUntil: string;
  readonly worker: string;
  readonly finishedAt: string | null;
  /** VE…; the same for every attempt at one recipient while its code is valid. */
  readonly providerSid: string | null;
  /** VL…, of this attempt alone. */
  readonly attemptSid: string | null;
  readonly httpStatus: number | null;
  readonly error: Failure | null;
  readonly delivery: Delivery | null;
}

export type Delivery = 'sent' | 'delivered' | 'undelivered';

/** What came of a call, as the Twilio client tells it. */
export type SendOutcome =
  | {
      readonly kind: 'accepted';
      readonly sid: string;
      readonly attemptSid: string | null;
      /** When Twilio made the verification; earlier than the attempt where it had one for this recipient already. */
      readonly createdAt: string | null;
      readonly httpStatus: number;
    }
  | {
      readonly kind: 'refused';
      readonly error: Failure;
      readonly httpStatus: number | null;
      /** No other channel would do better. */
      readonly final: boolean;
      /** Not null where the same channel may be tried again when there is no other; 0 when the provider did not say when. */
      readonly retryAfterMs: number | null;
    }
  | {
      readonly kind: 'put_off';
      readonly error: Failure;
      readonly httpStatus: number | null;
      /** Milliseconds the provider asked us to wait. */
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: 'in_doubt'; readonly error: Failure; readonly httpStatus: number | null }
  /** Found out afterwards. */
  | { readonly kind: 'not_taken' };

export const isOpen = (state: AttemptState): boolean => state === 'calling' || state === 'in_doubt';
