import { z } from 'zod';
import { failure, idempotencyKey, lane, metadata, tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** A request as its HTTP body has it: the tenant is the token's. */
export const placeCallRequest = z
  .object({
    idempotencyKey,
    to: z.string().min(1).max(200),
    from: z.string().max(200).nullish(),
    flow: z.string().max(100).nullish().meta({ description: 'Name of an IVR flow' }),
    say: z.string().max(4096).nullish().meta({ description: 'Text to read out instead of a flow' }),
    lane: lane.default('transactional'),
    machineDetection: z.enum(['off', 'detect', 'detect_message_end']).default('off'),
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

export const voiceCommands = defineTopic({
  name: 'commands.voice.v1',
  summary: 'Place a call',
  key: 'tenant + recipient, e.g. demo:+14155550199',
  messages: { 'voice.place.v1': placeCallCommand },
});

export type PlaceCallRequest = z.output<typeof placeCallRequest>;
export type PlaceCallCommand = z.output<typeof placeCallCommand>;

export const callState = z.enum(['accepted', 'submitted', 'completed', 'failed']).meta({ id: 'CallState' });

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
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
  })
  .meta({ id: 'CallStateChanged', description: 'A call moved forward' });

export const voiceEvents = defineTopic({
  name: 'events.voice.v1',
  summary: 'Every state change of a call, in order',
  key: 'our call id',
  messages: { 'voice.call.state-changed.v1': callStateChanged },
});

export type CallState = z.output<typeof callState>;
export type CallStateChanged = z.output<typeof callStateChanged>;
