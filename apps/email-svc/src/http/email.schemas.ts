import { emailState, failure, lane, metadata, timestamp } from '@signalbox/contracts';
import { cursorParameter } from '@signalbox/service';
import { z } from 'zod';

export const accepted = z
  .object({
    emailId: z.uuid(),
    idempotencyKey: z.string(),
    state: emailState,
    repeated: z.boolean().meta({ description: 'The key was known: this is the email it made the first time' }),
  })
  .meta({ id: 'AcceptedEmail' });

export const emailSummary = z
  .object({
    emailId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string(),
    from: z.string(),
    subject: z.string().meta({ description: "Empty for a template's own" }),
    templateId: z.string().nullable(),
    lane,
    state: emailState,
    sequence: z.int(),
    provider: z.literal('sendgrid'),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    opens: z.int(),
    machineOpens: z.int().meta({ description: 'By proxies of mail clients; nobody may have looked' }),
    clicks: z.int(),
    correlationId: z.string().nullable(),
    metadata,
    sendAt: timestamp.nullable(),
    expiresAt: timestamp.nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Email' });

const attempt = z.object({
  number: z.int(),
  state: z.enum(['calling', 'in_doubt', 'accepted', 'refused', 'deferred', 'not_taken', 'given_up']),
  startedAt: timestamp,
  finishedAt: timestamp.nullable(),
  providerSid: z.string().nullable(),
  httpStatus: z.int().nullable(),
  error: failure.nullable(),
});

const waiting = z
  .object({
    reason: z.enum([
      'scheduled',
      'back_off',
      'in_line',
      'quota',
      'daily_cap',
      'warm_up',
      'stream_throttled',
      'stream_stopped',
      'account_paused',
      'credentials_refused',
      'answer',
      'in_doubt',
      'provider',
    ]),
    summary: z.string().meta({ description: 'One line for a person' }),
    since: timestamp,
    until: timestamp.nullable().meta({ description: 'When it moves on at the earliest; null: nobody can tell' }),
    runbook: z.string().nullable().meta({ description: 'Path of the page in this repository' }),
  })
  .meta({ id: 'EmailWaiting' });

const historyLine = z.object({
  at: timestamp,
  kind: z.enum(['request', 'state', 'attempt', 'answer', 'callback', 'settled']),
  summary: z.string().meta({ description: 'One line for a person' }),
  detail: z.record(z.string(), z.unknown()),
});

const poolUse = z.object({
  pool: z.string().nullable().meta({ description: "By the tenant file's name; null: SendGrid chooses" }),
  name: z.string().nullable().meta({ description: "SendGrid's ip_pool_name" }),
  provider: z.string().meta({ description: "Who keeps the recipient's mailbox" }),
  insteadOf: z
    .object({
      pool: z.string(),
      why: z.enum(['pool_full', 'provider_full', 'critical']),
      cap: z.int().nullable().meta({ description: 'What was full on that day; 0 where the pool took nothing' }),
    })
    .nullable()
    .meta({ description: 'The pool that warms up and did not take it, and why' }),
});

export const emailStory = emailSummary
  .extend({
    categories: z.array(z.string()),
    unsubscribeGroup: z.int().nullable(),
    ipPool: z.string().nullable().meta({ description: 'As the request says' }),
    pool: poolUse.nullable().meta({ description: 'The IP pool of its last attempt; null where the tenant has none' }),
    attempts: z.array(attempt),
    nextAttemptAt: timestamp.nullable(),
    waiting: waiting.nullable().meta({ description: 'Why it has not moved on; null when nothing more is expected' }),
    redactedAt: timestamp.nullable().meta({ description: 'When its content was taken out: retention, or an erasure' }),
    traceId: z.string(),
    history: z.array(historyLine).meta({ description: 'All that happened, oldest first' }),
  })
  .meta({ id: 'EmailStory' });

export const emailPage = z
  .object({
    emails: z.array(emailSummary),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'EmailPage' });

export const listQuery = z.object({
  to: z.string().min(1).max(320).optional().meta({ description: 'Recipient' }),
  state: emailState.optional(),
  inDoubt: z
    .literal('true')
    .optional()
    .meta({ description: 'Only those of which it is not known whether the provider took them' }),
  idempotencyKey: z.string().max(255).optional(),
  cursor: cursorParameter.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const canceled = z.object({ emailId: z.uuid(), state: emailState }).meta({ id: 'CanceledEmail' });

export const settlement = z
  .object({
    as: z.enum(['resend', 'failed']).meta({
      description:
        'resend: it is sent again, and the recipient has it twice if SendGrid took it after all; failed: it ends',
    }),
  })
  .meta({ id: 'EmailSettlement' });

export const settled = z.object({ emailId: z.uuid(), state: emailState }).meta({ id: 'SettledEmail' });

export type EmailSummary = z.output<typeof emailSummary>;
export type EmailStory = z.output<typeof emailStory>;
export type Waiting = z.output<typeof waiting>;
export type EmailPageBody = z.output<typeof emailPage>;
export type ListQuery = z.output<typeof listQuery>;
export type HistoryEntry = z.output<typeof historyLine>;
