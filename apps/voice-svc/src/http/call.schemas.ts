import { callState, failure, lane, metadata, timestamp } from '@signalbox/contracts';
import { cursorParameter } from '@signalbox/service';
import { z } from 'zod';

export const accepted = z
  .object({
    callId: z.uuid(),
    idempotencyKey: z.string(),
    state: callState,
    repeated: z.boolean().meta({ description: 'The key was known: this is what it made the first time' }),
  })
  .meta({ id: 'AcceptedCall' });

export const callSummary = z
  .object({
    callId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string(),
    from: z.string().nullable(),
    flow: z.string().nullable(),
    lane,
    state: callState,
    sequence: z.int(),
    round: z.int().meta({ description: 'Which try this is, from 1; 0 before the first' }),
    provider: z.literal('twilio'),
    providerSid: z.string().nullable().meta({ description: 'Of the try that is under way or was the last' }),
    answeredBy: z.string().nullable(),
    durationSeconds: z.int().nullable(),
    error: failure.nullable(),
    correlationId: z.string().nullable(),
    metadata,
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'CallSummary' });

const attempt = z.object({
  number: z.int(),
  state: z.enum(['calling', 'in_doubt', 'accepted', 'refused', 'deferred', 'not_taken', 'given_up']),
  startedAt: timestamp,
  finishedAt: timestamp.nullable(),
  providerSid: z.string().nullable(),
  httpStatus: z.int().nullable(),
  error: failure.nullable(),
});

const facts = z
  .object({
    callSid: z.string(),
    status: z.string().nullable(),
    dialledAt: timestamp.nullable(),
    ringingAt: timestamp.nullable(),
    answeredAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    durationSeconds: z.int().nullable(),
    queueSeconds: z.int().nullable(),
    answeredBy: z.string().nullable(),
    sipResponseCode: z.int().nullable(),
    price: z.string().nullable().meta({ description: 'As Twilio tells it, negative; null until it is known' }),
    currency: z.string().nullable(),
  })
  .meta({ id: 'CallFactsOfTry' });

export const callStory = callSummary
  .extend({
    say: z.string().nullable(),
    redactedAt: timestamp.nullable().meta({ description: 'When its text, or all of the person, was taken out of it' }),
    nextAttemptAt: timestamp.nullable().meta({ description: 'When it is called, or called again, at the earliest' }),
    cancelRequested: z.boolean(),
    attempts: z.array(attempt).meta({ description: 'Each was a request to the provider' }),
    tries: z.array(facts).meta({ description: 'Each was a call at the provider: when, how long, for how much' }),
    recordings: z.array(z.string()).meta({ description: 'Ids for /v1/recordings' }),
    traceId: z.string(),
    history: z
      .array(
        z.object({
          at: timestamp,
          kind: z.enum(['state', 'callback', 'provider_status', 'in_doubt', 'settled', 'cancel']),
          detail: z.record(z.string(), z.unknown()),
        }),
      )
      .meta({ description: 'All that happened, oldest first' }),
  })
  .meta({ id: 'CallStory' });

export const callPage = z
  .object({
    calls: z.array(callSummary),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'CallPage' });

export const listQuery = z.object({
  to: z.string().min(1).max(200).optional().meta({ description: 'Recipient, E.164' }),
  state: callState.optional(),
  inDoubt: z
    .literal('true')
    .optional()
    .meta({ description: 'Only those of which it is not known whether the provider took them' }),
  idempotencyKey: z.string().max(255).optional(),
  cursor: cursorParameter.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const canceled = z
  .object({
    callId: z.uuid(),
    state: callState,
    ending: z.boolean().meta({ description: 'It is with the provider, and will be hung up: events tell when' }),
  })
  .meta({ id: 'CanceledCall' });

export type CallSummary = z.output<typeof callSummary>;
export type CallStory = z.output<typeof callStory>;
export type CallPageBody = z.output<typeof callPage>;
export type ListQuery = z.output<typeof listQuery>;
