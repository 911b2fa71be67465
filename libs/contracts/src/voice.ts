import { z } from 'zod';
import { idempotencyKey, lane, metadata, tenantName } from './fields.ts';
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
