import { addressRange } from '@signalbox/tenants';
import { publicBaseUrlFault } from '@signalbox/twilio';
import { z } from 'zod';

const baseUrl = z.string().superRefine((base, context) => {
  const fault = publicBaseUrlFault(base);
  if (fault) context.addIssue({ code: 'custom', message: fault });
});

export const commaSeparatedList = (text = ''): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');

const commaSeparated = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z.string().default('').transform(commaSeparatedList).pipe(z.array(item));

/** The environment of webhook-ingest, beside what every service and the Kafka client read. */
export const ingestConfig = z.object({
  PUBLIC_BASE_URL: baseUrl.meta({
    description: 'the URL under which Twilio reaches this service; signatures are checked against it',
  }),
  PUBLIC_BASE_URL_ALIASES: commaSeparated(baseUrl).meta({
    description: 'further URLs under which it is reached, comma-separated: of an earlier domain, of another region',
  }),
  TRUSTED_PROXIES: commaSeparated(addressRange).meta({
    description: 'proxies whose X-Forwarded-For is believed, as CIDR ranges; it says which source is rate-limited',
  }),
  AUTH_MODE: z
    .enum(['enforce', 'report'])
    .default('enforce')
    .meta({ description: 'report: wrong Twilio signatures are logged and counted, and the callback is taken' }),
  UNAUTHENTICATED_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(1)
    .default(300)
    .meta({ description: 'requests per source that fail to prove themselves before they are answered 429' }),
  SENDGRID_MAX_AGE_SECONDS: z.coerce
    .number()
    .int()
    .min(60)
    .optional()
    .meta({ description: 'event batches signed longer ago are refused; SendGrid sends again for a day' }),
  TENANTS_FILE: z.string().default('config/tenants.yaml'),
  KAFKA_BROKERS: z.string().meta({ description: 'host:port, comma-separated' }),
  BROKER_PATIENCE_MS: z.coerce
    .number()
    .int()
    .min(10)
    .max(5_000)
    .default(500)
    .meta({ description: 'how long a callback waits for the broker before it goes to the spool' }),
  SPOOL_DIR: z
    .string()
    .optional()
    .meta({ description: 'where callbacks are kept while the broker is away; without it they are answered 503' }),
  SPOOL_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1_000_000)
    .default(1_000_000_000)
    .meta({ description: 'what the spool may hold; beyond it callbacks are answered 503' }),
  BLOB_DIR: z
    .string()
    .optional()
    .meta({ description: 'where attachments of inbound emails go; without it there is no /sendgrid/inbound' }),
  INBOUND_CONCURRENCY: z.coerce.number().int().min(1).max(1000).default(8).meta({
    description:
      'inbound emails received at once, signed ones and those with a secret path each; up to 35 MB of each on disk',
  }),
  BLOB_MAX_AGE_DAYS: z.coerce.number().int().min(1).max(3650).default(40).meta({
    description: 'after which attachments are removed; records refer to them for 7 days, dead letters for 30 more',
  }),
});

export type IngestConfig = z.output<typeof ingestConfig>;
