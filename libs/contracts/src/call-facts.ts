import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';

const callId = z.uuid().nullable().meta({ description: 'Our id, of a call that we placed' });
const money = z.string().regex(/^-?\d{1,9}(\.\d{1,6})?$/);

/** What is known of a call when all is known: also of those that came in, and of legs that a flow dialled. */
export const callFacts = z
  .object({
    tenant: tenantName,
    callId,
    callSid: z.string(),
    parentCallSid: z.string().nullable(),
    direction: z.string().meta({ description: 'inbound, outbound-api, outbound-dial, in the words of Twilio' }),
    from: z.string(),
    to: z.string(),
    status: z.string().meta({ description: 'How it ended, in the words of Twilio' }),
    endedAt: timestamp,
    durationSeconds: z.int(),
    ringSeconds: z.int().nullable().meta({ description: 'From ringing to the answer' }),
    postDialSeconds: z.int().nullable().meta({ description: 'From dialling to ringing' }),
    queueSeconds: z.int().nullable().meta({ description: 'Waited at the provider before it was dialled' }),
    answeredBy: z.string().nullable(),
    sipResponseCode: z.int().nullable(),
    price: money.nullable().meta({ description: 'As Twilio tells it: negative; null when it never told' }),
    currency: z.string().nullable(),
    at: timestamp,
  })
  .meta({ id: 'CallFacts', description: 'A call is over and its price is known, or will never be' });

export const conferenceChanged = z
  .object({
    tenant: tenantName,
    conferenceSid: z.string(),
    name: z.string(),
    sequence: z.int().nullable().meta({ description: 'As Twilio counts, from 1 within the conference' }),
    kind: z.string().meta({ description: 'conference-start, participant-join, …, in the words of Twilio' }),
    callSid: z.string().nullable().meta({ description: 'Of the participant' }),
    muted: z.boolean().nullable(),
    hold: z.boolean().nullable(),
    reason: z.string().nullable().meta({ description: 'Why it ended' }),
    at: timestamp,
  })
  .meta({ id: 'ConferenceChanged', description: 'Something happened in a conference' });

export const recordingState = z
  .enum(['in-progress', 'completed', 'absent', 'failed', 'deleted'])
  .meta({ id: 'RecordingState' });

export const recordingChanged = z
  .object({
    tenant: tenantName,
    recordingId: z.string().meta({ description: 'RE…; GET /v1/recordings/{recordingId}/media has its sound' }),
    callId,
    callSid: z.string().nullable(),
    conferenceSid: z.string().nullable(),
    state: recordingState,
    previousState: recordingState.nullable(),
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per recording' }),
    at: timestamp,
    durationSeconds: z.int().nullable(),
    channels: z.int().nullable(),
    source: z.string().nullable(),
    deleteAt: timestamp.nullable().meta({ description: "When it is deleted, by the tenant's retention" }),
    price: money.nullable(),
    currency: z.string().nullable(),
    proof: z.object({ fetchStatus: z.int(), at: timestamp }).nullable().meta({
      description: 'Of a deletion: what the provider answered when it was asked for the recording afterwards',
    }),
  })
  .meta({ id: 'RecordingChanged', description: 'A recording was made, priced or deleted' });

export const recordingAccessed = z
  .object({
    tenant: tenantName,
    recordingId: z.string(),
    by: z.string().meta({ description: 'Name of the API token, or subject of the JWT' }),
    at: timestamp,
    range: z.string().nullable(),
  })
  .meta({ id: 'RecordingAccessed', description: 'Somebody was given the sound of a recording' });

export const transcriptionReceived = z
  .object({
    tenant: tenantName,
    transcriptionSid: z.string(),
    recordingId: z.string().nullable(),
    callId,
    callSid: z.string().nullable(),
    sequence: z.int().nullable().meta({ description: 'Of real-time transcription' }),
    status: z.string().meta({ description: 'completed, failed, transcription-content, …, in the words of Twilio' }),
    track: z.string().nullable(),
    final: z.boolean().meta({ description: 'False for what real-time transcription may still change' }),
    language: z.string().nullable(),
    confidence: z.number().nullable(),
    text: z.string(),
    at: timestamp,
  })
  .meta({ id: 'TranscriptionReceived', description: 'What was said, in writing' });

export type CallFacts = z.output<typeof callFacts>;
export type ConferenceChanged = z.output<typeof conferenceChanged>;
export type RecordingState = z.output<typeof recordingState>;
export type RecordingChanged = z.output<typeof recordingChanged>;
export type RecordingAccessed = z.output<typeof recordingAccessed>;
export type TranscriptionReceived = z.output<typeof transcriptionReceived>;
