import type { Failure } from '@signalbox/contracts';

/** What came of a call to a provider. */
export type SendOutcome =
  | { readonly kind: 'accepted'; readonly sid: string; readonly status: string; readonly httpStatus: number }
  /** For good: it is the request that is at fault. */
  | { readonly kind: 'refused'; readonly error: Failure; readonly httpStatus: number | null }
  /** It certainly did not reach the provider, or was turned away to come back later. */
  | {
      readonly kind: 'deferred';
      readonly error: Failure;
      readonly httpStatus: number | null;
      /** Milliseconds the provider asked us to wait. */
      readonly retryAfterMs: number | null;
      /** It was our credentials that were turned away, so everything of the account would be. */
      readonly credentials?: true;
    }
  /** The provider may or may not have taken it. */
  | { readonly kind: 'in_doubt'; readonly error: Failure; readonly httpStatus: number | null };
