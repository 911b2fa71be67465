export interface RetryPolicy {
  /** Tries of a batch that fails for no fault of the infrastructure, before its poison is looked for. Default 5. */
  readonly attempts: number;
  /** First ceiling of the back-off in milliseconds; it doubles with every failure. Default 100. */
  readonly baseMs: number;
  /** The ceiling never grows above this. Default 30 000. */
  readonly maxMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, baseMs: 100, maxMs: 30_000 };

/** Full jitter: anywhere between nothing and the ceiling, so that replicas that failed together do not return together. */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  return Math.floor(random * Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(failures - 1, 30)));
}

export type Verdict = 'reject' | 'retry' | 'isolate';

export interface Failure {
  /** The handler named the record that is at fault. */
  readonly rejected: boolean;
  /** The infrastructure's fault: a database or a broker that is away, a deadlock, a timeout. */
  readonly transient: boolean;
  /** Failures so far that were not transient, this one included. */
  readonly faults: number;
  /** The batch was cut out of one that has used up its attempts. */
  readonly isolating: boolean;
}

/** Infrastructure faults are retried for ever: dead-lettering what would succeed a minute later only makes work. */
export function judge(policy: RetryPolicy, failure: Failure): Verdict {
  if (failure.rejected) return 'reject';
  if (failure.transient) return 'retry';
  return failure.isolating || failure.faults >= policy.attempts ? 'isolate' : 'retry';
}
