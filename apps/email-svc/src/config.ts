import { domainConfig, milliseconds } from '@signalbox/domain-service';
import { dispatchConfig, leaseOutlivesCall } from '@signalbox/outbound';
import { z } from 'zod';

/** Secrets, comma-separated: the first one signs, all of them verify, so that one follows another without a break. */
const keyList = z.string().transform((text, context): readonly string[] => {
  const keys = text
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
  if (keys.length === 0 || keys.some((key) => key.length < 16)) {
    context.addIssue({ code: 'custom', message: 'must be secrets of 16 characters or more, comma-separated' });
  }
  return keys;
});

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
      "how often what is no longer needed, or outlived its tenant's retention, is looked for",
    ),
    SUPPRESSION_SYNC_MS: milliseconds(300_000, "how often SendGrid's suppression lists are read"),
    SUPPRESSION_PUSH_MS: milliseconds(
      2_000,
      'how often changes of our suppression list are looked for, to be told to SendGrid',
    ),
    BLOB_DIR: z.string().min(1).optional().meta({
      description:
        'where webhook-ingest keeps attachments of inbound email; with it they go with their email, else by their age alone',
    }),
    DELIVERABILITY_WATCH_MS: milliseconds(
      2_000,
      'how often counts of what mailbox providers did are looked at, to hold streams back',
    ),
    DOMAIN_CHECK_MS: milliseconds(3_600_000, 'how often the domains that emails are from are checked'),
    DNS_SERVERS: z
      .string()
      .optional()
      .transform((written) => written?.split(/[\s,]+/).filter((server) => server !== ''))
      .meta({
        description:
          'whom to ask for DMARC records: IP addresses, each with :port if need be; default: as the system does',
      }),
    UNSUBSCRIBE_BASE_URL: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        description:
          'where mail clients reach this service for one-click unsubscribes; without it bulk email has no such link',
      }),
    UNSUBSCRIBE_KEY: keyList.optional().meta({
      description:
        'secrets, comma-separated, of unsubscribe links: the first signs, all are good; links signed with another one are dead',
    }),
    TEMPLATES_DIR: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'a directory of templates, <tenant>/<name>.yaml, that are read at start' }),
    REPLY_KEY: keyList.optional().meta({
      description:
        'secrets, comma-separated, of reply addresses: the first signs, all are good; without it no email can have trackReplies',
    }),
  })
  .refine(...leaseOutlivesCall)
  .refine((config) => (config.UNSUBSCRIBE_BASE_URL === undefined) === (config.UNSUBSCRIBE_KEY === undefined), {
    path: ['UNSUBSCRIBE_KEY'],
    message: 'goes with UNSUBSCRIBE_BASE_URL',
  });

export type EmailConfig = z.output<typeof emailConfig>;

/** To inject the configuration. */
export const CONFIG = Symbol('email config');
