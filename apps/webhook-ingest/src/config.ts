import { publicBaseUrlFault } from '@signalbox/twilio';
import { z } from 'zod';

/** The environment of webhook-ingest, beside what every service and the Kafka client read. */
export const ingestConfig = z.object({
  PUBLIC_BASE_URL: z
    .string()
    .superRefine((base, context) => {
      const fault = publicBaseUrlFault(base);
      if (fault) context.addIssue({ code: 'custom', message: fault });
    })
    .meta({ description: 'the URL under which Twilio reaches this service; signatures are checked against it' }),
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
});

export type IngestConfig = z.output<typeof ingestConfig>;
