import { ProblemException } from '@signalbox/service';
import { counter, type Logger } from '@signalbox/telemetry';
import { LogBudget } from './log-budget.rules.ts';
import { SourceLimit } from './source-limit.rules.ts';

/** What became of a request. */
export const callbacks = counter('signalbox_callbacks_total', 'Callbacks, by what became of them', ['route', 'result']);

/** Why a request is not taken, as in metrics. All but the last are because its sender is not proven. */
export type RefusalCause =
  | 'missing_signature'
  | 'unknown_account'
  | 'wrong_token'
  | 'url_mismatch'
  | 'body_hash'
  | 'stale'
  | 'source_not_allowed'
  | 'forged'
  | 'malformed';

export interface Refusal {
  readonly route: string;
  readonly cause: RefusalCause;
  /** Address of the sender. */
  readonly source: string;
  /** Whether the sender is proven all the same. */
  readonly authentic?: boolean;
  /** For the log. Masked there, but should hold no more than it must. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Of what is malformed. Default 400. */
  readonly status?: number;
}

/** Turns requests away: counts them, logs some of them, and slows down senders that keep on without proving who they are. */
export class Refusals {
  readonly #log = new LogBudget();
  readonly #sources: SourceLimit;

  constructor(
    private readonly logger: Logger,
    unauthenticatedPerMinute: number,
  ) {
    this.#sources = new SourceLimit(unauthenticatedPerMinute);
  }

  /** Whether a source has been told too often; what it sends is not worth more than its check. */
  isLimited(source: string): boolean {
    return this.#sources.isSpent(source, Date.now());
  }

  /** The answer. */
  refuse({ route, cause, source, authentic = false, details, status }: Refusal): ProblemException {
    const now = Date.now();
    const limited = !authentic && !this.#sources.take(source, now);
    callbacks.inc({ route, result: limited ? 'rate_limited' : cause });
    const suppressed = this.#log.take(now);
    if (suppressed !== undefined)
      this.logger.warn({ route, cause, source, ...details, limited, suppressed }, 'callback refused');
    if (limited)
      return new ProblemException(
        429,
        'Too Many Requests',
        'Too many requests without a valid signature',
        {},
        {
          'retry-after': '60',
        },
      );
    // One answer for all that fails to prove itself: it must not tell which accounts exist.
    return cause === 'malformed'
      ? new ProblemException(
          status ?? 400,
          titles[status ?? 400] ?? 'Bad Request',
          'It cannot be read as a callback of this kind',
        )
      : new ProblemException(403, 'Forbidden', 'The signature is not that of a known account');
  }
}

const titles: Readonly<Record<number, string>> = {
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
};
