import { domainConfig, milliseconds } from '@signalbox/domain-service';
import { dispatchConfig, leaseOutlivesCall } from '@signalbox/outbound';
import { z } from 'zod';

/** The environment of email-svc, beside what every service and the Kafka client read. */
export const emailConfig = domainConfig('email-svc')
  .extend({
    ...dispatchConfig,
    DISPATCH_CONCURRENCY: z.coerce
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(1000)
      .meta({ description: 'emails that are in calls to SendGrid at once; up to 1000 share a call' }),
    IN_DOUBT_POLL_MS: milliseconds(5_000, 'how often attempts in doubt are looked at'),
    REJOIN_POLL_MS: milliseconds(1_000, 'how often events without an email of ours are looked at again'),
    SWEEP_POLL_MS: milliseconds(
      60_000,
      'how often what is no longer needed or kept is removed: bodies, received emails',
    ),
    SUPPRESSION_SYNC_MS: milliseconds(300_000, "how often SendGrid's suppression lists are read"),
    SUPPRESSION_PUSH_MS: milliseconds(
      2_000,
      'how often changes of our suppression list are looked for, to be told to SendGrid',
    ),
    UNSUBSCRIBE_BASE_URL: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        description:
          'where mail clients reach this service for one-click unsubscribes; without it bulk email has no such link',
      }),
    UNSUBSCRIBE_KEY: z
      .string()
      .min(16)
      .optional()
      .meta({ description: 'secret that signs unsubscribe links; links signed with another one are dead' }),
    TEMPLATES_DIR: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'a directory of templates, <tenant>/<name>.yaml, that are read at start' }),
    REPLY_KEY: z
      .string()
      .min(16)
      .optional()
      .meta({ description: 'secret that signs reply addresses; without it no email can have trackReplies' }),
  })
  .refine(...leaseOutlivesCall)
  .refine((config) => (config.UNSUBSCRIBE_BASE_URL === undefined) === (config.UNSUBSCRIBE_KEY === undefined), {
    path: ['UNSUBSCRIBE_KEY'],
    message: 'goes with UNSUBSCRIBE_BASE_URL',
  });

export type EmailConfig = z.output<typeof emailConfig>;

/** To inject the configuration. */
export const CONFIG = Symbol('email config');
