import { failure, metadata, emailState, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

export const accepted = z
  .object({
    emailId: z.uuid(),
    idempotencyKey: z.string(),
    state: emailState,
    repeated: z.boolean().meta({ description: 'The key was known: this is what it made the first time' }),
  })
  .meta({ id: 'AcceptedEmail' });

export const emailStory = z
  .object({
    emailId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string(),
    state: emailState,
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
  .meta({ id: 'EmailStory' });

export type EmailStory = z.output<typeof emailStory>;
