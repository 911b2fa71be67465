import { failure, metadata, verificationState, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

export const accepted = z
  .object({
    verificationId: z.uuid(),
    idempotencyKey: z.string(),
    state: verificationState,
    repeated: z.boolean().meta({ description: 'The key was known: this is what it made the first time' }),
  })
  .meta({ id: 'AcceptedVerification' });

export const verificationStory = z
  .object({
    verificationId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string(),
    state: verificationState,
    sequence: z.int(),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
    createdAt: timestamp,
    updatedAt: timestamp,
    history: z
      .array(
        z.object({ at: timestamp, kind: z.enum(['state', 'callback']), detail: z.record(z.string(), z.unknown()) }),
      )
      .meta({ description: 'All that happened, oldest first' }),
  })
  .meta({ id: 'VerificationStory' });

export type VerificationStory = z.output<typeof verificationStory>;
