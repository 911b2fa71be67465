import { domainConfig, milliseconds } from '@signalbox/domain-service';
import { dispatchConfig, leaseOutlivesCall } from '@signalbox/outbound';
import { envBoolean } from '@signalbox/service';
import { publicBaseUrlFault } from '@signalbox/twilio';
import { z } from 'zod';

/** The environment of messaging-svc, beside what every service and the Kafka client read. */
export const messagingConfig = domainConfig('messaging-svc')
  .extend({
    PRICES_FILE: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'what messages cost; without it nothing is estimated' }),
    MEDIA_ALLOW_PRIVATE: envBoolean
      .default(false)
      .meta({ description: 'take media URLs without https or with private hosts; for local runs' }),
    PUBLIC_BASE_URL: z
      .string()
      .superRefine((base, context) => {
        const fault = publicBaseUrlFault(base);
        if (fault) context.addIssue({ code: 'custom', message: fault });
      })
      .meta({ description: 'where the provider reaches webhook-ingest' }),
    ...dispatchConfig,
    IN_DOUBT_SETTLE_MS: milliseconds(
      15_000,
      "how long an attempt in doubt is left alone, so that it can show up in the provider's list",
    ),
    CALLBACK_OVERDUE_MS: milliseconds(300_000, 'silence after which the provider is asked for the status'),
    FALLBACK_POLL_MS: milliseconds(1_000, 'how often due fallbacks are looked for'),
    ANALYTICS_PREFIX_DIGITS: z.coerce
      .number()
      .int()
      .min(1)
      .max(7)
      .default(3)
      .meta({ description: 'digits of the national number that make a prefix in analytics' }),
    ANALYTICS_FOLD_MS: milliseconds(1_000, 'how often what messages did is folded into the rollups'),
    ANALYTICS_WATCH_MS: milliseconds(30_000, 'how often the rollups are looked at for anomalies'),
    ANALYTICS_MIN_VOLUME: z.coerce
      .number()
      .int()
      .min(10)
      .default(50)
      .meta({ description: 'messages within an hour or two below which nothing is called an anomaly' }),
    PREFIX_BLOCK_MS: milliseconds(4 * 3_600_000, 'how long a prefix that looks pumped is blocked for bulk'),
    RETENTION_POLL_MS: milliseconds(60_000, "how often what outlived its tenant's retention is looked for"),
    RECONCILE_POLL_MS: milliseconds(1_000, 'how often attempts in doubt and silent messages are looked for'),
  })
  .refine(...leaseOutlivesCall);

export type MessagingConfig = z.output<typeof messagingConfig>;

/** To inject the configuration. */
export const CONFIG = Symbol('messaging config');
