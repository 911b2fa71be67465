import { timestamp } from '@signalbox/contracts';
import { z } from 'zod';
import { dimensions } from './errors.rules.ts';

const day = 24 * 3_600_000;

export const errorsQuery = z
  .object({
    by: z
      .string()
      .default('code')
      .transform((text) => [...new Set(text.split(',').map((name) => name.trim()))])
      .pipe(z.array(z.enum(dimensions)).min(1))
      .meta({ description: 'What to tell apart, comma-separated: country, prefix, carrier, sender, code' }),
    from: timestamp.optional().meta({ description: 'Default: 24 hours before `to`' }),
    to: timestamp.optional().meta({ description: 'Default: now' }),
    limit: z.coerce.number().int().min(1).max(1000).default(100).meta({ description: 'Rows, most failures first' }),
  })
  .refine(({ from, to }) => !from || !to || Date.parse(from) < Date.parse(to), {
    path: ['from'],
    message: 'must be before to',
  })
  .refine(({ from, to }) => !from || (to ? Date.parse(to) : Date.now()) - Date.parse(from) <= 400 * day, {
    path: ['from'],
    message: 'at most 400 days before to',
  });

const meaning = {
  class: z.string().nullable(),
  title: z.string(),
  remedy: z.string(),
  runbook: z.string().nullish().meta({ description: 'Path in the repository, or URL; absent for our own codes' }),
};

const codeCount = z.object({ code: z.string(), count: z.int(), ...meaning });

const named = (description: string) => z.string().nullable().optional().meta({ description });

const errorRow = z.object({
  country: named('ISO 3166; null where the number does not tell'),
  prefix: named('Country code and leading digits'),
  carrier: named('To which the numbers were given; null where that is not listed, as in the US and Canada'),
  sender: named('Sender or SID of the messaging service; null when none was found'),
  code: named('Error code'),
  title: z.string().optional().meta({ description: 'With by=code: what the code means' }),
  remedy: z.string().optional(),
  class: z.string().nullable().optional(),
  runbook: meaning.runbook,
  handedOver: z.int().meta({ description: 'Taken by the provider' }),
  delivered: z.int(),
  failures: z.int().meta({ description: 'Refused by the provider, or not delivered' }),
  rejected: z.int().meta({ description: 'Not sent: refused by Signalbox' }),
  expired: z.int(),
  canceled: z.int(),
  total: z.int().meta({ description: 'Delivered and failed; with by=code of all codes together' }),
  rate: z.number().nullable().meta({ description: 'failures / total' }),
  codes: z.array(codeCount).meta({ description: 'The five most frequent' }),
});

export const errorsAnswer = z
  .object({
    from: timestamp.meta({ description: 'Of the whole hours looked at; beyond three days of whole UTC days' }),
    to: timestamp,
    totals: errorRow.pick({
      handedOver: true,
      delivered: true,
      failures: true,
      rejected: true,
      expired: true,
      canceled: true,
      total: true,
      rate: true,
    }),
    rows: z.array(errorRow),
  })
  .meta({ id: 'ErrorAnalytics' });

const anomalyView = z
  .object({
    anomalyId: z.uuid(),
    kind: z.enum(['failure_rate', 'sms_pumping']),
    scope: z.record(z.string(), z.string()),
    openedAt: timestamp,
    closedAt: timestamp.nullable(),
    volume: z.int(),
    rate: z.number().meta({ description: 'As last looked at while it was open' }),
    baseline: z.number(),
  })
  .meta({ id: 'Anomaly' });

export const anomalyList = z
  .object({ anomalies: z.array(anomalyView) })
  .meta({ id: 'AnomalyList', description: 'The open ones, and those of the last 30 days; newest first' });

export const blockedPrefix = z
  .object({
    prefix: z.string(),
    signs: z.array(z.string()).meta({ description: 'sudden, sequential, undelivered, fraud_codes' }),
    blockedAt: timestamp,
    expiresAt: timestamp,
  })
  .meta({
    id: 'BlockedPrefix',
    description: 'New bulk messages to it are rejected with blocked_prefix, those in line are held',
  });

export const blockedPrefixList = z
  .object({ blockedPrefixes: z.array(blockedPrefix) })
  .meta({ id: 'BlockedPrefixList' });

export type ErrorsQuery = z.output<typeof errorsQuery>;
export type ErrorsAnswer = z.output<typeof errorsAnswer>;
export type ErrorRow = z.output<typeof errorRow>;
export type AnomalyView = z.output<typeof anomalyView>;
export type BlockedPrefixView = z.output<typeof blockedPrefix>;

/** `+99450`; the plus may be left out, because clients forget to encode it. */
export const prefixParam = z
  .string()
  .max(20)
  .transform((prefix) => `+${prefix.trim().replace(/^\+/, '')}`);
