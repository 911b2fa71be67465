/** One fault of a request, as SendGrid names it. */
export interface SendgridFault {
  readonly message: string;
  /** E.g. `personalizations.3.to.0.email`; null when SendGrid does not say. */
  readonly field: string | null;
}

/** SendGrid answered, and not with success. */
export class SendgridApiError extends Error {
  override readonly name = 'SendgridApiError';

  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Empty when the answer is no JSON, as a 413 or that of a proxy. Texts may quote an address: for masked logs only. */
    readonly faults: readonly SendgridFault[],
    /** From `Retry-After` or, on a 429, `X-RateLimit-Reset`, in milliseconds from now. */
    readonly retryAfterMs: number | null,
  ) {
    super(`SendGrid answered ${status}`);
  }
}

/** SendGrid did not answer. */
export class SendgridTransportError extends Error {
  override readonly name = 'SendgridTransportError';

  constructor(
    /**
     * `not_sent`: no byte of the request left (refused, DNS): trying again is safe.
     * `in_doubt`: it may have been carried out.
     */
    readonly outcome: 'not_sent' | 'in_doubt',
    /** Node's or axios's code, e.g. `ECONNREFUSED`, `ECONNABORTED`. */
    readonly code: string,
    options: { cause: unknown },
  ) {
    super(`SendGrid did not answer: ${code}, ${outcome === 'not_sent' ? 'not sent' : 'in doubt'}`, options);
  }
}
