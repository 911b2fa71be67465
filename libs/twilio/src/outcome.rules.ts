import type { SendOutcome } from '@signalbox/outbound';
import { describeFailure } from './error-catalogue.ts';
import { TwilioApiError, TwilioTransportError } from './errors.ts';

/** What an error of a create means; anything unexpected is in doubt, because the call may have been made. */
export function outcomeOfError(error: unknown): SendOutcome {
  if (error instanceof TwilioApiError) return outcomeOfRefusal(error.code, error.status, error.retryAfterMs);
  if (error instanceof TwilioTransportError) {
    const failure = { ...unanswered, title: `The provider did not answer: ${error.code}` };
    return error.outcome === 'not_sent'
      ? { kind: 'deferred', error: failure, httpStatus: null, retryAfterMs: null }
      : { kind: 'in_doubt', error: failure, httpStatus: null };
  }
  return { kind: 'in_doubt', error: describeFailure(null), httpStatus: null };
}

/**
 * What an HTTP answer means for a create. 429 was never processed, so it may go again; a 5xx may have been processed, so it
 * is in doubt; a refusal of our credentials says nothing about the request, which is held until they are mended.
 */
export function outcomeOfRefusal(code: number | null, httpStatus: number, retryAfterMs: number | null): SendOutcome {
  const error = describeFailure(code, httpStatus);
  if (httpStatus === 429) return { kind: 'deferred', error, httpStatus, retryAfterMs };
  if (httpStatus >= 500) return { kind: 'in_doubt', error, httpStatus };
  if (httpStatus === 401 || code === 20003) {
    return { kind: 'deferred', error, httpStatus, retryAfterMs, credentials: true };
  }
  if (error.class === 'retryable' || error.class === 'rate') {
    return { kind: 'deferred', error, httpStatus, retryAfterMs };
  }
  return { kind: 'refused', error, httpStatus };
}

const unanswered = {
  code: 'no_answer',
  class: 'retryable',
  title: 'The provider did not answer',
  remedy:
    'Nothing to do: it is sent again, or looked up first when it may have arrived. See status.twilio.com if it lasts',
} as const;
