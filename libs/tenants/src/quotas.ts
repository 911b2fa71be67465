import { timeZone } from '@signalbox/contracts';
import { z } from 'zod';

/** One budget of sends. All parts are optional; what is not set is not limited. */
export const quotaLimits = z
  .strictObject({
    rate: z
      .number()
      .positive()
      .max(100_000)
      .nullish()
      .meta({ description: 'Messages per second, on average; may be below 1' }),
    burst: z
      .int()
      .min(1)
      .max(1_000_000)
      .nullish()
      .meta({ description: 'In no second more than rate + burst reach the provider; default a fifth of the rate' }),
    dailyCap: z.int().min(0).max(1_000_000_000).nullish().meta({ description: "Messages per day of the cap's zone" }),
    dailyReserve: z
      .int()
      .min(0)
      .nullish()
      .meta({ description: 'How many of dailyCap are kept for the critical lane; default none' }),
    timeZone: timeZone
      .nullish()
      .meta({ description: "Whose midnight begins the cap's day, e.g. America/Los_Angeles for T-Mobile; default UTC" }),
  })
  .superRefine((limits, context) => {
    const needs = (part: keyof typeof limits, other: keyof typeof limits) => {
      if ((limits[part] ?? null) !== null && (limits[other] ?? null) === null)
        context.addIssue({ code: 'custom', path: [part], message: `needs ${other}` });
    };
    needs('burst', 'rate');
    needs('dailyReserve', 'dailyCap');
    needs('timeZone', 'dailyCap');
    if ((limits.dailyReserve ?? 0) > (limits.dailyCap ?? Infinity))
      context.addIssue({ code: 'custom', path: ['dailyReserve'], message: 'must not be above dailyCap' });
  });

/** The beginning of an E.164 number: `+1`, `+1415`. */
export const quotaPrefix = z
  .string()
  .regex(/^\+[1-9]\d{0,14}$/, 'must be the beginning of an E.164 number, e.g. +1415');

/** The budgets of a tenant as the tenant file gives them; a message needs a token of each that it falls under. */
export const tenantQuotas = z.strictObject({
  account: quotaLimits.optional(),
  /** By sender, or by name of a messaging service. */
  senders: z.record(z.string(), quotaLimits).default({}),
  /** By destination; the longest prefix that fits is the one that counts. */
  prefixes: z.record(quotaPrefix, quotaLimits).default({}),
  /** How many messages may wait to be sent; the last tenth is for the critical lane. Beyond, requests are turned away. */
  maxWaiting: z.int().min(1).max(1_000_000_000).optional(),
});

/** The same for emails: of the account, and by the address or the domain that they are from. */
export const emailQuotas = z.strictObject({
  account: quotaLimits.optional(),
  senders: z.record(z.string(), quotaLimits).default({}),
  /** How many emails may wait to be sent, likewise. */
  maxWaiting: z.int().min(1).max(1_000_000_000).optional(),
});

export type QuotaLimits = z.output<typeof quotaLimits>;
export type TenantQuotas = z.output<typeof tenantQuotas>;
