export interface BackoffPolicy {
  /** The longest first wait; each further one may be twice as long. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

/**
 * Milliseconds until the next attempt: full jitter, as AWS's builders' library describes it; never less than what the
 * provider asked for.
 *
 * @param attempt the number of the one that failed, from 1
 */
export function backoff(
  attempt: number,
  retryAfterMs: number | null,
  policy: BackoffPolicy,
  random: () => number,
): number {
  const ceiling = Math.min(policy.backoffMaxMs, policy.backoffBaseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(retryAfterMs ?? 0, Math.ceil(random() * ceiling));
}
