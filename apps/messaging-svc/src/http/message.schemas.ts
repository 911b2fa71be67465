import {
  consent,
  failure,
  lane,
  messageChannel,
  messageState,
  metadata,
  sendRequest,
  timestamp,
} from '@signalbox/contracts';
import { cursorParameter } from '@signalbox/service';
import { z } from 'zod';

/** At most this many messages in one request of a batch. */
export const maxBatch = 500;

export const accepted = z
  .object({
    messageId: z.uuid(),
    idempotencyKey: z.string(),
    state: messageState,
    repeated: z.boolean().meta({ description: 'The key was known: this is the message it made the first time' }),
  })
  .meta({ id: 'AcceptedMessage' });

export const sendBatch = z.object({ messages: z.array(sendRequest).min(1).max(maxBatch) }).meta({ id: 'SendBatch' });

export const acceptedBatch = z
  .object({
    messages: z.array(
      accepted.extend({
        conflict: z.boolean().meta({ description: 'The key belongs to another request; nothing was accepted' }),
      }),
    ),
  })
  .meta({ id: 'AcceptedBatch', description: 'In the order of the request' });

export const messageSummary = z
  .object({
    messageId: z.uuid(),
    idempotencyKey: z.string(),
    channel: messageChannel,
    to: z.string(),
    from: z.string().nullable(),
    messagingServiceSid: z.string().nullable(),
    lane,
    state: messageState,
    sequence: z.int(),
    provider: z.literal('twilio'),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
    sendAt: timestamp.nullable(),
    expiresAt: timestamp.nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Message' });

const attempt = z.object({
  number: z.int(),
  state: z.enum(['calling', 'in_doubt', 'accepted', 'refused', 'deferred', 'not_taken', 'given_up']),
  startedAt: timestamp,
  finishedAt: timestamp.nullable(),
  leaseUntil: timestamp.nullable().meta({ description: 'While open: when it is looked up' }),
  providerSid: z.string().nullable(),
  httpStatus: z.int().nullable(),
  error: failure.nullable(),
});

const waiting = z
  .object({
    reason: z.enum([
      'scheduled',
      'quiet_hours',
      'blocked_prefix',
      'back_off',
      'in_line',
      'quota',
      'daily_cap',
      'account_paused',
      'credentials_refused',
      'answer',
      'in_doubt',
      'provider',
    ]),
    summary: z.string().meta({ description: 'One line for a person' }),
    since: timestamp,
    until: timestamp.nullable().meta({ description: 'When it moves on at the earliest; null: nobody can tell' }),
    runbook: z.string().nullable().meta({ description: 'Path of the page in this repository, or a URL' }),
  })
  .meta({ id: 'Waiting' });

const historyLine = z.object({
  at: timestamp,
  kind: z.enum([
    'request',
    'state',
    'attempt',
    'answer',
    'callback',
    'provider_status',
    'in_doubt',
    'settled',
    'fallback',
    'held',
  ]),
  summary: z.string().meta({ description: 'One line for a person' }),
  detail: z.record(z.string(), z.unknown()),
});

export const messageStory = messageSummary
  .extend({
    body: z.string().nullable(),
    redactedAt: timestamp
      .nullable()
      .meta({ description: 'When text, media and variables were taken out: retention, or an erasure' }),
    mediaUrls: z.array(z.string()),
    contentSid: z.string().nullable(),
    timeZone: z.string().nullable().meta({ description: "The recipient's, as the request gave it" }),
    consent: consent.nullable().meta({ description: 'The opt-in this message relies on' }),
    estimate: z
      .object({
        encoding: z.enum(['GSM-7', 'UCS-2']).nullable(),
        segments: z.int().nullable(),
        price: z.object({ amount: z.string(), currency: z.string() }).nullable(),
      })
      .meta({ description: 'Before the send: segments of an SMS, the price by the price table' }),
    attempts: z.array(attempt),
    nextAttemptAt: timestamp.nullable(),
    waiting: waiting.nullable().meta({ description: 'Why it has not moved on; null when it has ended' }),
    traceId: z.string(),
    history: z.array(historyLine).meta({ description: 'All that happened, oldest first' }),
  })
  .meta({ id: 'MessageStory' });

export const messagePage = z
  .object({
    messages: z.array(messageSummary),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'MessagePage' });

export const listQuery = z.object({
  to: z.string().min(1).max(200).optional().meta({ description: 'Recipient, E.164' }),
  state: messageState.optional(),
  inDoubt: z
    .literal('true')
    .optional()
    .meta({ description: 'Only those of which it is not known whether the provider took them' }),
  idempotencyKey: z.string().max(255).optional(),
  cursor: cursorParameter.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const canceled = z.object({ messageId: z.uuid(), state: messageState }).meta({ id: 'CanceledMessage' });

export type MessageSummary = z.output<typeof messageSummary>;
export type Waiting = z.output<typeof waiting>;
export type MessageStory = z.output<typeof messageStory>;
export type MessagePageBody = z.output<typeof messagePage>;
export type ListQuery = z.output<typeof listQuery>;
export type HistoryEntry = z.output<typeof historyLine>;
