import { envBoolean } from '@signalbox/service';
import { z } from 'zod';

/** A time of so many milliseconds, at least one. */
export const milliseconds = (byDefault: number, description: string) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .default(byDefault)
    .meta({ description: `${description}, in milliseconds` });

export const databaseUrl = z
  .url({ protocol: /^postgres(ql)?$/ })
  .meta({ description: 'postgres://user:password@host:port/database' });

/** The environment of every domain service; one that reads more extends it. */
export function domainConfig(name: string) {
  return z.object({
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: z.coerce.number().int().min(4).max(200).default(10),
    KAFKA_BROKERS: z.string().min(1).meta({ description: 'host:port, comma-separated' }),
    KAFKA_GROUP_ID: z.string().min(1).default(name),
    TENANTS_FILE: z.string().min(1).default('config/tenants.yaml'),
    MIGRATE_ON_START: envBoolean.default(false),
  });
}

export type DomainConfig = z.output<ReturnType<typeof domainConfig>>;
