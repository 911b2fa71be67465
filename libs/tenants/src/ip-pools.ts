import { z } from 'zod';

const volume = z.int().min(1).max(1_000_000_000);

/** No plan is longer than a year. */
const maxDays = 366;

const listed = z
  .array(volume)
  .min(1)
  .max(maxDays)
  .superRefine((days, context) => {
    const fallen = days.findIndex((one, day) => one < (days[day - 1] ?? 0));
    if (fallen >= 0) context.addIssue({ code: 'custom', path: [fallen], message: 'must not be below the day before' });
  });

const growing = z
  .strictObject({ first: volume, factor: z.number().gt(1).max(10), until: volume })
  .refine(({ first, until }) => first <= until, { path: ['until'], message: 'must not be below first' })
  .transform(({ first, factor, until }, context) => {
    const days = [first];
    for (let last = first; last < until && days.length <= maxDays; days.push(last)) {
      // A small volume would stay what it is for ever, were it not for the one.
      last = Math.min(until, Math.max(last + 1, Math.floor(last * factor)));
    }
    if (days.length <= maxDays) return days;
    context.addIssue({ code: 'custom', path: ['factor'], message: `takes more than ${maxDays} days` });
    return z.NEVER;
  });

/** Emails on each day of a plan, in its order: written down, or how they grow from day to day. */
const volumes = z.unknown().transform((written, context): number[] => {
  const read = (Array.isArray(written) ? listed : growing).safeParse(written);
  if (read.success) return read.data;
  for (const { path, message } of read.error.issues) context.addIssue({ code: 'custom', path, message });
  return z.NEVER;
});

/** How much goes through a pool of new IP addresses, day by day in UTC; after the last day there is no limit. */
const warmup = z.strictObject({
  /** The first day, which is day 1. */
  start: z.iso.date('must be a date, e.g. 2026-12-01'),
  /** Where the rest goes. Left out: it waits for the next day. */
  overflowTo: z.string().optional(),
  days: volumes,
  /** How much of it may go to the mailboxes of one provider. */
  perProvider: z.record(z.string(), volumes).default({}),
});

export const ipPool = z.strictObject({
  /** At SendGrid (`ip_pool_name`); default: the name here. Source: SendGrid, "Mail Send". */
  name: z.string().min(2).max(64).optional(),
  warmup: warmup.optional(),
});

export type WarmupPlan = z.output<typeof warmup>;
