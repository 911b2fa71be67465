import { timestamp } from '@signalbox/contracts';
import { z } from 'zod';

const count = z.int().min(0);
const cap = count.max(1_000_000_000);

const caps = z.strictObject({
  total: cap.optional().meta({ description: 'Emails a day through the pool' }),
  perProvider: z
    .record(z.string().regex(/^[a-z0-9_-]{1,32}$/), cap)
    .optional()
    .meta({ description: 'Of those, to the mailboxes of one provider' }),
});

export const warmupPool = z
  .object({
    pool: z.string(),
    name: z.string().meta({ description: "SendGrid's ip_pool_name" }),
    state: z
      .enum(['not_started', 'warming', 'paused', 'ended'])
      .meta({ description: 'paused: it takes nothing and its days stand still; ended: nothing limits it any more' }),
    start: z.string().meta({ description: 'Day 1, as the tenant file says' }),
    day: z.int().meta({ description: "Today's day of the plan, in UTC; below 1 before it begins" }),
    lastDay: z.int(),
    cap: count.nullable().meta({ description: "Today's; null: any number" }),
    used: count.meta({ description: 'Sent through it today, and under way' }),
    perProvider: z.array(z.object({ provider: z.string(), cap: count, used: count })),
    tomorrow: count.nullable().meta({ description: "Tomorrow's cap" }),
    resetsAt: timestamp,
    overflowTo: z.string().nullable().meta({ description: 'The pool that takes the rest; null: the rest waits' }),
    overflowed: count.meta({ description: 'Went another way today because it had no room; without the critical lane' }),
    waiting: count.meta({ description: 'Due, and held until it has room again' }),
    caps: caps.meta({ description: 'Set over this API in place of the plan' }),
    plan: z.object({ days: z.array(count), perProvider: z.record(z.string(), z.array(count)) }),
  })
  .meta({ id: 'WarmupPool' });

export const warmupList = z.object({ pools: z.array(warmupPool) }).meta({ id: 'WarmupList' });

export const warmupChange = z
  .strictObject({
    paused: z.boolean().optional(),
    day: z.int().min(1).max(366).optional().meta({ description: 'Today is this day of the plan' }),
    caps: caps.nullable().optional().meta({ description: 'In place of those before; null: as the plan says' }),
  })
  .refine((change) => Object.values(change).some((part) => part !== undefined), 'needs paused, day or caps')
  .meta({ id: 'WarmupChange' });

export const poolParam = z.string().min(1).max(64);

export type WarmupView = z.output<typeof warmupPool>;
