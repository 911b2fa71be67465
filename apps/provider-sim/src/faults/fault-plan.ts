import { z } from 'zod';
import { script } from '../voice-api/script.ts';

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
    /** What the recipient begins with; the longest matching prefix wins. */
    prefix: z
      .string()
      .regex(
        /^((whatsapp:)?\+\d*|[^\s+@]+@\S*)$/,
        'must be the beginning of an E.164 number or WhatsApp address, or of an email address',
      ),
    /** Below 30000, and with those of Verify, the create is refused; with any other it is accepted and fails later. */
    code: z.int().min(10000).max(99999),
    /** The channels it is for; default all. */
    channels: z.array(z.enum(['sms', 'whatsapp', 'call', 'email'])).optional(),
    /** How a late failure ends (default undelivered), or the HTTP status of a refusal (default 400). */
    status: z.union([z.enum(['undelivered', 'failed']), z.int().min(400).max(599)]).optional(),
    rate: rate.default(1),
  })
  .refine(({ code, status }) => status === undefined || (typeof status === 'number') === refuses(code), {
    path: ['status'],
    message: 'must be an HTTP status for a code below 30000 or of Verify, undelivered or failed for one from 30000 on',
  });

/** Whether a create is refused with this code. */
export function refuses(code: number): boolean {
  return code < 30_000 || isOfVerify(code);
}

export function isOfVerify(code: number): boolean {
  return code >= 60_000 && code < 63_000;
}

/** How a number behaves that is called, by us or from within a call. */
const callee = z.strictObject({
  /** Digits the number begins with, or the beginning of a SIP address or client; the longest matching prefix wins. */
  prefix: z.string().min(1),
  outcome: z.enum(['answers', 'busy', 'no-answer', 'failed']).default('answers'),
  /** Who answers, for machine detection. */
  answeredBy: z.enum(['human', 'machine_start', 'fax', 'unknown']).default('human'),
  /** What the callee does once the call is answered. */
  script: script.default([]),
  /** Seconds it rings before something happens. */
  ringSeconds: z.number().min(0).default(2),
  rate: rate.default(1),
});

const callFaults = z.strictObject({
  /** Seconds of a call that pass in one second here. */
  speed: z.number().min(1).default(100),
  /**
   * Milliseconds before a document that could not be had is asked for again, doubled each time. Twilio does not say how long it
   * waits; so all its tries fall into 8 s of its 15 s.
   */
  retryMs: z.number().min(1).default(250),
  /** Outbound calls that begin to ring per second and account; the others stay queued. */
  perSecond: z.number().positive().optional(),
  /** Unfinished calls of an account beyond which a create is refused with 10004. */
  maxConcurrent: z.int().min(1).optional(),
  callees: z.array(callee).default([]),
});

/** What becomes of an email, by a name that a recipient's local part may also begin with. */
export const emailOutcomes = [
  'delivered',
  'deferred',
  'hard-bounce',
  'soft-bounce',
  'blocked',
  'late-bounce',
  'dropped',
  'spam',
  'unsubscribe',
  'group-unsubscribe',
  'open',
  'machine-open',
  'click',
  'silent',
] as const;
export type EmailOutcome = (typeof emailOutcomes)[number];

const emailRule = z.strictObject({
  /** Part of the recipient's address; the first rule that fits wins. */
  recipient: z.string().min(1),
  outcome: z.enum(emailOutcomes),
  rate: rate.default(1),
});

/** An answer of mail/send instead of its own, for so many requests. */
const mailAnswer = z.strictObject({ status: z.union([z.literal(403), z.literal(413)]), times: z.int().min(1) });

export const operations = ['create', 'check', 'list', 'fetch', 'update', 'remove'] as const;
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
      /** Of events about an email: those that come without its custom arguments. */
      withoutArgs: rate.default(0),
      /** Time between a status and the next one. */
      delayMs: span.optional(),
    })
    .default({ duplicate: 0, reorder: 0, drop: 0, withoutArgs: 0 }),
  errors: z.array(destinationError).default([]),
  emails: z.array(emailRule).default([]),
  mailAnswers: z.array(mailAnswer).default([]),
  calls: callFaults.default(callFaults.parse({})),
  /** Makes the draws repeatable. */
  seed: z.int().optional(),
});

export type FaultPlan = z.output<typeof faultPlan>;
export type Callee = z.output<typeof callee>;
export type DestinationError = z.output<typeof destinationError>;
