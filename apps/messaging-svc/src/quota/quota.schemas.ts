import { timestamp } from '@signalbox/contracts';
import { type QuotaLimits, quotaPrefix } from '@signalbox/tenants';
import { z } from 'zod';

export const quota = z
  .object({
    kind: z.enum(['account', 'sender', 'prefix']),
    value: z.string().meta({ description: 'Sender or SID of the messaging service; prefix; empty for the account' }),
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

export const quotaList = z.object({ quotas: z.array(quota) }).meta({ id: 'QuotaList' });

export const senderParam = z.string().min(1).max(64);

/** `+1415`; the plus may be left out, because clients forget to encode it. */
export const prefixParam = z
  .string()
  .transform((prefix) => `+${prefix.trim().replace(/^\+/, '')}`)
  .pipe(quotaPrefix);

export type QuotaBody = z.output<typeof quota>;
export type LimitsBody = QuotaLimits;
