import { failure, metadata, timestamp, verificationState, verifyChannel } from '@signalbox/contracts';
import { z } from 'zod';
import { sendableChannel } from '../start/draft.ts';

export const startedVerification = z
  .object({
    verificationId: z.uuid(),
    idempotencyKey: z.string(),
    state: verificationState,
    channel: verifyChannel.meta({ description: 'The one in use' }),
    expiresAt: timestamp.nullable().meta({ description: 'Until then a code can be checked' }),
    nextSendAt: timestamp.meta({ description: 'Before that no other code is sent to this recipient' }),
    repeated: z.boolean().meta({ description: 'The key was known: this is what it made the first time' }),
    error: failure.nullable().meta({ description: 'Why no code could be sent' }),
  })
  .meta({ id: 'StartedVerification' });

export type StartedVerification = z.output<typeof startedVerification>;

export const resendRequest = z
  .object({
    channel: z
      .enum([...sendableChannel.options, 'next'])
      .nullish()
      .meta({ description: 'next: the one that follows in the plan; left out: the one in use' }),
    code: z
      .string()
      .regex(/^\d{4,10}$/)
      .nullish()
      .meta({ description: 'Your own code once more, where you started with one: it is not kept' }),
  })
  .meta({ id: 'ResendRequest' });

export type ResendRequest = z.output<typeof resendRequest>;

export const checkRequest = z
  .object({ code: z.string().regex(/^\d{4,10}$/, 'must have 4 to 10 digits') })
  .meta({ id: 'CheckRequest' });

export const checkedVerification = z
  .object({
    verificationId: z.uuid(),
    approved: z.boolean().meta({ description: 'Whether this code was the right one; it is so once' }),
    state: verificationState,
    checksLeft: z.int(),
    expiresAt: timestamp.nullable(),
  })
  .meta({ id: 'CheckedVerification' });

export type CheckedVerification = z.output<typeof checkedVerification>;

const sentCode = z.object({
  number: z.int(),
  channel: verifyChannel,
  to: z.string().nullable(),
  why: z
    .enum(['asked', 'asked_again', 'refused', 'undelivered', 'silence', 'put_off', 'not_taken'])
    .meta({ description: 'Asked for, or asked for again; else what became of the one before' }),
  state: z
    .enum(['calling', 'in_doubt', 'accepted', 'refused', 'put_off', 'not_taken'])
    .meta({ description: 'in_doubt: whether Twilio took it is being found out' }),
  delivery: z.enum(['sent', 'delivered', 'undelivered']).nullable(),
  startedAt: timestamp,
  finishedAt: timestamp.nullable(),
  providerSid: z.string().nullable(),
  error: failure.nullable(),
});

export const verificationStory = z
  .object({
    verificationId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string().nullable(),
    state: verificationState,
    sequence: z.int(),
    channel: verifyChannel,
    plan: z.array(verifyChannel).meta({ description: 'The channels that are tried, in order' }),
    service: z.string().nullable(),
    purpose: z.string().nullable(),
    subject: z.string().nullable(),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    refused: z.string().nullable().meta({
      description: 'Why the fraud guard let no code out. Not for the end user: to them it looks like any other',
    }),
    checks: z.int(),
    checksLeft: z.int(),
    metadata,
    createdAt: timestamp,
    updatedAt: timestamp,
    expiresAt: timestamp.nullable(),
    attempts: z.array(sentCode).meta({ description: 'Every code that was to be sent, oldest first' }),
    history: z
      .array(
        z.object({
          at: timestamp,
          kind: z.enum(['state', 'callback', 'check', 'guard', 'limited', 'superseded']),
          detail: z.record(z.string(), z.unknown()),
        }),
      )
      .meta({ description: 'All that happened, oldest first' }),
  })
  .meta({ id: 'VerificationStory' });

export type VerificationStory = z.output<typeof verificationStory>;
