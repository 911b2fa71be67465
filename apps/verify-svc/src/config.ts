import { domainConfig, milliseconds } from '@signalbox/domain-service';
import { z } from 'zod';
import { guardSettings } from './guard/guard.config.ts';
import { totpSettings } from './totp/totp.config.ts';

/** The environment of verify-svc, beside what every service and the Kafka client read. */
export const verifyConfig = domainConfig('verify-svc')
  .extend({
    ...guardSettings,
    ...totpSettings,
    HASH_KEY: z
      .string()
      .min(32)
      .meta({ description: 'secret key of the hashes that stand for recipients, users, addresses and codes' }),
    PROVIDER_TIMEOUT_MS: milliseconds(5_000, 'how long an answer of the provider is waited for; a user waits as well'),
    ATTEMPT_LEASE_MS: milliseconds(15_000, 'after which an attempt without an answer is in doubt'),
    IN_DOUBT_SETTLE_MS: milliseconds(
      2_000,
      'how long an attempt in doubt is left alone, so that the provider can show it',
    ),
    RETRY_BASE_MS: milliseconds(500, 'ceiling of the first back-off'),
    RETRY_MAX_MS: milliseconds(30_000, 'ceiling of any back-off'),
    DUE_POLL_MS: milliseconds(500, 'how often commands, fallbacks and ends that are due are looked for'),
    RECONCILE_POLL_MS: milliseconds(1_000, 'how often attempts in doubt are looked for'),
    RETENTION_POLL_MS: milliseconds(60_000, "how often what outlived its tenant's retention is looked for"),
    BACKGROUND_CONCURRENCY: z.coerce
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(32)
      .meta({ description: 'calls to the provider under way at once for which nobody waits' }),
  })
  .refine((config) => config.ATTEMPT_LEASE_MS >= config.PROVIDER_TIMEOUT_MS + 5_000, {
    path: ['ATTEMPT_LEASE_MS'],
    message: 'must be at least PROVIDER_TIMEOUT_MS + 5000: a call must not outlive its lease',
  });

export type VerifyConfig = z.output<typeof verifyConfig>;

/** To inject the configuration. */
export const CONFIG = Symbol('verify config');
