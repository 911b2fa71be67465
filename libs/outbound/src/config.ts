import { milliseconds } from '@signalbox/domain-service';
import { z } from 'zod';

/** The settings of dispatch, for the schema of a service's environment: `domainConfig(…).extend({ ...dispatchConfig })`. */
export const dispatchConfig = {
  DISPATCH_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(64)
    .meta({ description: 'calls to the provider under way at once' }),
  CREDENTIALS_PROBE_MS: milliseconds(
    30_000,
    'how often an account whose credentials were refused is tried with one call',
  ),
  MAX_WAITING: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000_000)
    .default(2_000_000)
    .meta({ description: 'how many of one tenant may wait to be sent, unless its quotas.maxWaiting says otherwise' }),
  DISPATCH_POLL_MS: milliseconds(500, 'how soon what other replicas accepted is seen'),
  PROVIDER_TIMEOUT_MS: milliseconds(10_000, 'how long an answer of the provider is waited for'),
  ATTEMPT_LEASE_MS: milliseconds(30_000, 'after which an attempt without an answer is in doubt'),
  RETRY_BASE_MS: milliseconds(500, 'ceiling of the first back-off'),
  RETRY_MAX_MS: milliseconds(300_000, 'ceiling of any back-off'),
  GIVE_UP_AFTER_MS: milliseconds(4 * 3_600_000, 'after which what was never handed over fails'),
};

export type DispatchConfig = z.output<z.ZodObject<typeof dispatchConfig>>;

/** For `refine` on the schema: a call must not outlive its lease. */
export const leaseOutlivesCall = [
  (config: Pick<DispatchConfig, 'ATTEMPT_LEASE_MS' | 'PROVIDER_TIMEOUT_MS'>) =>
    config.ATTEMPT_LEASE_MS >= config.PROVIDER_TIMEOUT_MS + 5_000,
  {
    path: ['ATTEMPT_LEASE_MS'] as PropertyKey[],
    message: 'must be at least PROVIDER_TIMEOUT_MS + 5000: a call must not outlive its lease',
  },
] satisfies [unknown, unknown];
