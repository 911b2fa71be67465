import { failure, metadata, callState, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

export const accepted = z
  .object({
    callId: z.uuid(),
    idempotencyKey: z.string(),
    state: callState,
    repeated: z.boolean().meta({ description: 'The key was known: this is what it made the first time' }),
  })
  .meta({ id: 'AcceptedCall' });

export const callStory = z
  .object({
    callId: z.uuid(),
    idempotencyKey: z.string(),
    to: z.string(),
    state: callState,
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
  .meta({ id: 'CallStory' });

export type CallStory = z.output<typeof callStory>;
