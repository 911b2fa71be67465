import { timestamp } from '@signalbox/contracts';
import { type QuotaLimits, quotaPrefix } from '@signalbox/tenants';
import { z } from 'zod';
import { accountScope, type QuotaKind } from './quota.rules.ts';

/** A quota as the HTTP API tells it, of a service with these kinds. */
export function quotaBody(kinds: readonly Pick<QuotaKind<never>, 'name' | 'description'>[]) {
  return z
    .object({
      kind: z.enum([accountScope.kind, ...kinds.map(({ name }) => name)]),
      value: z.string().meta({
        description: `Empty for the account; ${kinds.map(({ name, description }) => `${name}: ${description}`).join('; ')}`,
      }),
      limits: z.object({
        rate: z.number().nullable(),
        burst: z.int().nullable().meta({ description: 'Also when it is the default' }),
        dailyCap: z.int().nullable(),
        dailyReserve: z.int().nullable(),
        timeZone: z.string().nullable(),
      }),
      source: z.enum(['runtime', 'file']).meta({ description: 'Set over HTTP, or given by the tenant file' }),
      usedToday: z.int().nullable().meta({ description: "Of dailyCap, in its zone's current day" }),
      resetsAt: timestamp.nullable().meta({ description: "When the cap's next day begins" }),
    })
    .meta({ id: 'Quota' });
}

/** `+1415`; the plus may be left out, because clients forget to encode it. */
export const prefixValue = z
  .string()
  .transform((prefix) => `+${prefix.trim().replace(/^\+/, '')}`)
  .pipe(quotaPrefix);

/** A name of the service's or the tenant's, as a sender. */
export const nameValue = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^|]+$/, 'must not contain |');

export type QuotaBody = z.output<ReturnType<typeof quotaBody>>;
export type LimitsBody = QuotaLimits;
