import { recordingState, timestamp } from '@signalbox/contracts';
import { z } from 'zod';

export const recordingId = z
  .string()
  .regex(/^RE[0-9a-f]{32}$/, 'must be RE and 32 hex digits')
  .meta({ examples: ['RE00000000000000000000000000000001'] });

export const recordingBody = z
  .object({
    recordingId: z.string(),
    callId: z.uuid().nullable().meta({ description: 'Our id, of a call that we placed' }),
    callSid: z.string().nullable(),
    conferenceSid: z.string().nullable(),
    state: recordingState,
    source: z.string().nullable(),
    channels: z.int().nullable(),
    durationSeconds: z.int().nullable(),
    price: z.string().nullable().meta({ description: 'As Twilio tells it, negative; null until it is known' }),
    currency: z.string().nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
    deleteAt: timestamp.nullable().meta({ description: 'When it is, or was to be, deleted at the provider' }),
    deletion: z
      .object({ at: timestamp, provenAt: timestamp, fetchStatus: z.int() })
      .nullable()
      .meta({ description: 'What the provider answered when it was asked for the recording after its deletion' }),
  })
  .meta({ id: 'Recording' });

export const recordingStory = recordingBody
  .extend({
    accesses: z
      .array(z.object({ by: z.string(), at: timestamp, range: z.string().nullable() }))
      .meta({ description: 'Who was given its sound, newest first, at most a hundred' }),
  })
  .meta({ id: 'RecordingStory' });

export const recordingPage = z
  .object({
    recordings: z.array(recordingBody),
    nextBefore: z.string().nullable().meta({ description: 'Pass it as `before` to read on; null at the end' }),
  })
  .meta({ id: 'RecordingPage' });

export const recordingQuery = z.object({
  callId: z.uuid().optional(),
  callSid: z.string().max(34).optional(),
  state: recordingState.optional(),
  before: recordingId.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const mediaQuery = z.object({
  format: z.enum(['wav', 'mp3']).default('wav'),
});

export type RecordingBody = z.output<typeof recordingBody>;
export type RecordingQuery = z.output<typeof recordingQuery>;
