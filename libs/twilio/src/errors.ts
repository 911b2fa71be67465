import type { Failure } from '@signalbox/contracts';
import { classify, describeFailure, type CataloguedError } from './error-catalogue.ts';

/** Twilio answered, and not with success. */
export class TwilioApiError extends Error {
  override readonly name = 'TwilioApiError';

  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Twilio's error code; null when the body has none, as behind a proxy that answers itself. */
    readonly code: number | null,
    /** Twilio's words, which may quote a phone number: for masked logs, not for events. */
    message: string,
    /** From `Retry-After`, in milliseconds. */
    readonly retryAfterMs: number | null,
    /** `Twilio-Request-Id`, what Twilio's support asks for. */
    readonly requestId: string | null,
  ) {
    super(message);
  }

  get catalogued(): CataloguedError {
    return classify(this.code, this.status);
  }

  get failure(): Failure {
    return describeFailure(this.code, this.status);
  }
}

/** Twilio did not answer. */
export class TwilioTransportError extends Error {
  override readonly name = 'TwilioTransportError';

  constructor(
    /**
     * `not_sent`: no byte of the request left (refused, DNS, TLS, no free connection in time): trying again is safe.
     * `in_doubt`: it may have been carried out: find out before trying again.
     */
    readonly outcome: 'not_sent' | 'in_doubt',
    /** Node's or undici's code, e.g. `ECONNREFUSED`; ours is `TIMEOUT`. */
    readonly code: string,
    options: { cause: unknown },
  ) {
    super(`Twilio did not answer: ${code}, ${outcome === 'not_sent' ? 'not sent' : 'in doubt'}`, options);
  }
}
