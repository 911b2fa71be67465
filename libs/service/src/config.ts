import { logLevels } from '@signalbox/telemetry';
import { z } from 'zod';

export type Env = Readonly<Record<string, string | undefined>>;

/** A configuration that cannot be used. `faults` names every one, and never a value: values are secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly faults: readonly string[]) {
    super(`configuration: ${faults.join('; ')}`);
  }
}

/**
 * Reads the variables a schema names. An empty value counts as not set, as compose files and manifests write it.
 * @throws ConfigError naming every fault
 */
export function readConfig<Schema extends z.ZodObject>(schema: Schema, env: Env): z.output<Schema> {
  const read = tryConfig(schema, env);
  if (read.faults.length > 0) throw new ConfigError(read.faults);
  return read.config as z.output<Schema>;
}

/** As {@link readConfig}, with the faults as a value, so that those of several schemas can be told at once. */
export function tryConfig<Schema extends z.ZodObject>(
  schema: Schema,
  env: Env,
): { config: z.output<Schema> | undefined; faults: string[] } {
  const given = Object.keys(schema.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return { config: parsed.data, faults: [] };
  return { config: undefined, faults: parsed.error.issues.map((issue) => describeFault(issue, schema, env)) };
}

function describeFault(issue: z.core.$ZodIssue, schema: z.ZodObject, env: Env): string {
  const name = String(issue.path[0] ?? 'environment');
  const field = schema.shape[name] as z.ZodType | undefined;
  const about = field?.description;
  const fault = issue.path.length === 1 && !env[name] ? 'is required' : issue.message;
  return `${name}: ${fault}${about ? ` (${about})` : ''}`;
}

/** `true`/`false`, `1`/`0`. */
export const envBoolean = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

const seconds = z.coerce.number().min(0).max(3600);

/** What every service reads. */
export function commonConfig(defaultPort: number) {
  return z.object({
    PORT: z.coerce.number().int().min(0).max(65535).default(defaultPort),
    HOST: z.string().default('0.0.0.0'),
    LOG_LEVEL: z.enum(logLevels).default('info'),
    OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
    OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
    DRAIN_SECONDS: seconds
      .default(0)
      .meta({ description: 'how long to serve on after readiness is withdrawn, so that load balancers notice' }),
    SHUTDOWN_TIMEOUT_SECONDS: seconds.default(25).meta({ description: 'after this a stop is forced' }),
  });
}

export type CommonConfig = z.output<ReturnType<typeof commonConfig>>;
