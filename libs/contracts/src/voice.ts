import { z } from 'zod';
import {
  callFacts,
  conferenceChanged,
  recordingAccessed,
  recordingChanged,
  transcriptionReceived,
} from './call-facts.ts';
import { failure, idempotencyKey, lane, metadata, tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** What a call ended with, that another try may change. */
export const retryableOutcome = z.enum(['busy', 'no-answer', 'failed']).meta({ id: 'RetryableOutcome' });

export const callRetry = z
  .object({
    on: z.array(retryableOutcome).min(1).max(3).default(['busy', 'no-answer']),
    attempts: z.int().min(2).max(10).meta({ description: 'Calls in all, the first among them' }),
    delaySeconds: z.int().min(1).max(86_400).default(300).meta({ description: 'From the end of one to the next' }),
  })
  .meta({ id: 'CallRetry', description: 'Whether and when it is called again' });

/** A request as its HTTP body has it: the tenant is the token's. */
export const placeCallRequest = z
  .object({
    idempotencyKey,
    to: z.string().min(1).max(200),
    from: z.string().max(200).nullish(),
    flow: z.string().max(100).nullish().meta({ description: 'Name of an IVR flow' }),
    say: z.string().max(4096).nullish().meta({ description: 'Text to read out instead of a flow' }),
    lane: lane.default('transactional'),
    machineDetection: z.enum(['off', 'detect', 'detect_message_end']).default('off').meta({
      description: 'detect_message_end: an answering machine hears it after its greeting',
    }),
    ringSeconds: z.int().min(5).max(600).default(60).meta({ description: 'How long it may ring' }),
    maxDurationSeconds: z.int().min(5).max(14_400).default(14_400).meta({ description: 'When it is hung up' }),
    retry: callRetry.nullish(),
    correlationId: z.string().max(100).nullish().meta({ description: 'The request this one stands in for' }),
    metadata: metadata.default({}),
  })
  .refine((command) => Boolean(command.flow) !== Boolean(command.say), {
    message: 'exactly one of flow and say is needed',
    path: ['flow'],
  });

export const placeCallCommand = placeCallRequest
  .safeExtend({ tenant: tenantName })
  .meta({ id: 'VoicePlace', description: 'Place one call' });

export const cancelCallCommand = z
  .object({ tenant: tenantName, callId: z.uuid().nullish(), idempotencyKey: idempotencyKey.nullish() })
  .refine((command) => Boolean(command.callId) !== Boolean(command.idempotencyKey), {
    message: 'exactly one of callId and idempotencyKey is needed',
    path: ['callId'],
  })
  .meta({ id: 'VoiceCancel', description: 'Cancel a call that waits or rings, or hang it up' });

export const voiceCommands = defineTopic({
  name: 'commands.voice.v1',
  summary: 'Place a call, or cancel it',
  key: 'tenant + recipient, e.g. demo:+14155550199',
  messages: { 'voice.place.v1': placeCallCommand, 'voice.cancel.v1': cancelCallCommand },
});

export type CallRetry = z.output<typeof callRetry>;
export type PlaceCallRequest = z.output<typeof placeCallRequest>;
export type PlaceCallCommand = z.output<typeof placeCallCommand>;
/** What a caller may write: defaults left out. */
export type PlaceCallCommandInput = z.input<typeof placeCallCommand>;
export type CancelCallCommand = z.output<typeof cancelCallCommand>;

export const callState = z
  .enum([
    'accepted',
    'submitting',
    'submitted',
    'ringing',
    'answered',
    'waiting',
    'completed',
    'busy',
    'no-answer',
    'failed',
    'canceled',
    'rejected',
  ])
  .meta({ id: 'CallState' });

export const callStateChanged = z
  .object({
    tenant: tenantName,
    callId: z.uuid(),
    idempotencyKey,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per call' }),
    state: callState,
    previousState: callState.nullable(),
    at: timestamp,
    to: z.string(),
    from: z.string().nullable(),
    provider: z.literal('twilio'),
    providerSid: z.string().nullable().meta({ description: 'Of the call that is under way, or was the last' }),
    round: z.int().min(0).meta({ description: 'Which try this is, from 1; 0 before the first' }),
    answeredBy: z.string().nullable().meta({ description: 'What machine detection found, in the words of Twilio' }),
    durationSeconds: z.int().nullable().meta({ description: 'Of the call that ended' }),
    error: failure.nullable(),
    correlationId: z.string().nullable().meta({ description: 'The request this one stands in for' }),
    metadata,
  })
  .meta({ id: 'CallStateChanged', description: 'A call moved forward' });

/** What callers do in an IVR flow, and what becomes of them there. */
export const flowProgressed = z
  .object({
    tenant: tenantName,
    callSid: z.string(),
    callId: z.uuid().nullable().meta({ description: 'Our id, of a call that we placed' }),
    flow: z.string(),
    version: z.int().min(1),
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per call and flow' }),
    kind: z.enum([
      'started',
      'consented',
      'declined',
      'dialed',
      'dial-ended',
      'queued',
      'dequeued',
      'agent-waiting',
      'agent-served',
      'conference-joined',
      'conference-left',
      'recorded',
      'sms-sent',
      'sms-impossible',
      'ended',
    ]),
    node: z.string().meta({ description: 'Of the flow, where it happened' }),
    at: timestamp,
    from: z.string(),
    to: z.string(),
    detail: z
      .record(z.string(), z.union([z.string(), z.number(), z.null()]))
      .meta({ description: 'By kind: queue, result, seconds, status, recordingSid' }),
  })
  .meta({ id: 'FlowProgressed', description: 'A caller has come to somewhere that matters in an IVR flow' });

export const voiceEvents = defineTopic({
  name: 'events.voice.v1',
  summary: 'Every state change of a call, in order; what it cost, its recordings; what callers do in IVR flows',
  key: 'our call id, of a call that came in its CallSid',
  messages: {
    'voice.call.state-changed.v1': callStateChanged,
    'voice.call.facts.v1': callFacts,
    'voice.conference.changed.v1': conferenceChanged,
    'voice.recording.changed.v1': recordingChanged,
    'voice.recording.accessed.v1': recordingAccessed,
    'voice.transcription.received.v1': transcriptionReceived,
    'voice.flow.progressed.v1': flowProgressed,
  },
});

export type CallState = z.output<typeof callState>;
export type CallStateChanged = z.output<typeof callStateChanged>;
export type FlowProgressed = z.output<typeof flowProgressed>;
