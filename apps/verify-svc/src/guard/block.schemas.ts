import { timestamp } from '@signalbox/contracts';
import { quotaPrefix } from '@signalbox/tenants';
import { z } from 'zod';

/** `+99450`; the plus may be left out, because clients forget to encode it. */
export const prefixParam = z
  .string()
  .max(20)
  .transform((prefix) => `+${prefix.trim().replace(/^\+/, '')}`)
  .pipe(quotaPrefix);

export const blockRequest = z.object({
  expiresAt: timestamp.nullable().default(null).meta({ description: 'Null: until it is lifted' }),
  note: z.string().max(500).nullable().default(null).meta({ description: 'Why, for whoever looks next' }),
});

export type BlockRequest = z.output<typeof blockRequest>;

export const blockView = z
  .object({
    blockId: z.uuid().meta({ description: "Of a block of the guard's: its anomaly on events.analytics.v1 as well" }),
    prefix: z.string(),
    level: z
      .string()
      .meta({ description: 'block (of a thousand numbers), ten_thousand, hundred_thousand, area, country; manual' }),
    madeBy: z.enum(['guard', 'admin']),
    signs: z.array(z.string()).meta({ description: 'sequential, crowded, provider, unconverted, sudden' }),
    note: z.string().nullable(),
    started: z.int().meta({ description: 'Verifications looked at when it was made' }),
    approved: z.int().meta({ description: 'Of these' }),
    blockedAt: timestamp,
    expiresAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    endedBy: z
      .enum(['time', 'conversion', 'admin', 'replaced'])
      .nullable()
      .meta({ description: 'conversion: so many were approved after all that it was a mistake' }),
  })
  .meta({ id: 'VerifyBlock', description: 'Numbers under the prefix get no code; their callers are not told' });

export const blockList = z
  .object({
    blocks: z.array(blockView).meta({ description: 'Those in force, newest first' }),
    ended: z.array(blockView).meta({ description: 'Of the last 30 days, newest first, 200 at most' }),
  })
  .meta({ id: 'VerifyBlockList' });

export type BlockView = z.output<typeof blockView>;

export const prefixesQuery = z.object({
  under: prefixParam.optional().meta({ description: 'Only prefixes that begin so, e.g. +994' }),
  limit: z.coerce.number().int().min(1).max(500).default(100).meta({ description: 'Most without approval first' }),
});

export type PrefixesQuery = z.output<typeof prefixesQuery>;

export const prefixList = z
  .object({
    prefixes: z.array(
      z.object({
        prefix: z.string(),
        started: z.number().meta({ description: 'Of about the last hour; older ones count less' }),
        approved: z.number(),
        conversion: z.number().min(0).max(1).nullable().meta({ description: 'approved / started' }),
        usualStarted: z.number().meta({ description: 'In an hour of the last days' }),
        usualConversion: z.number().min(0).max(1).nullable(),
      }),
    ),
  })
  .meta({ id: 'VerifyPrefixList', description: 'What the guard knows of prefixes wider than a thousand numbers' });

export type PrefixView = z.output<typeof prefixList>['prefixes'][number];
