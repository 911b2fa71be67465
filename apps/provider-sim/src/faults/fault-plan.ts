import { z } from 'zod';

const rate = z.number().min(0).max(1);
const span = z
  .tuple([z.number().min(0), z.number().min(0)])
  .refine(([least, most]) => least <= most, 'must be [least, most]');

const rates = z
  .strictObject({ '429': rate, '500': rate, timeoutBefore: rate, timeoutAfter: rate })
  .partial()
  .refine((all) => Object.values(all).reduce((sum, one) => sum + one, 0) <= 1, 'must not add up to more than 1');

const destinationError = z
  .strictObject({
    /** Digits the recipient's number begins with; the longest matching prefix wins. */
    prefix: z.string().regex(/^(whatsapp:)?\+\d*$/, 'must be the beginning of an E.164 number or WhatsApp address'),
    /** From 30000 on the message is accepted and fails later with this code; below, the create is refused with it. */
    code: z.int().min(10000).max(99999),
    /** How a late failure ends (default undelivered), or the HTTP status of a refusal (default 400). */
    status: z.union([z.enum(['undelivered', 'failed']), z.int().min(400).max(599)]).optional(),
    rate: rate.default(1),
  })
  .refine(({ code, status }) => status === undefined || (typeof status === 'string') === code >= 30000, {
    path: ['status'],
    message: 'must be undelivered or failed for a code from 30000 on, an HTTP status for one below',
  });

export const operations = ['create', 'list', 'fetch', 'update', 'remove'] as const;
export type Operation = (typeof operations)[number];

/** What `POST /_sim/faults` takes: it replaces the plan, `{}` clears it. */
export const faultPlan = z.strictObject({
  /** Time an answer takes; the message is accepted at some moment within. */
  latencyMs: span.optional(),
  rates: rates.default({}),
  /** The operations that `rates` and `latencyMs` are for. */
  operations: z.array(z.enum(operations)).default([...operations]),
  /** Sent as Retry-After with a 429. */
  retryAfterSeconds: z.int().min(0).optional(),
  callbacks: z
    .strictObject({
      duplicate: rate.default(0),
      reorder: rate.default(0),
      drop: rate.default(0),
      /** Time between a status and the next one. */
      delayMs: span.optional(),
    })
    .default({ duplicate: 0, reorder: 0, drop: 0 }),
  errors: z.array(destinationError).default([]),
  /** Makes the draws repeatable. */
  seed: z.int().optional(),
});

export type FaultPlan = z.output<typeof faultPlan>;
export type DestinationError = z.output<typeof destinationError>;
