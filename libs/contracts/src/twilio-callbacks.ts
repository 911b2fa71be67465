import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** The head every normalised Twilio callback has; `params` keeps each raw parameter, known to us or not. */
const callback = z.object({
  accountSid: z.string(),
  tenant: tenantName,
  resourceSid: z.string(),
  correlationId: z
    .string()
    .nullable()
    .meta({ description: 'Our id from the callback URL, vouched for by the signature' }),
  status: z.string().meta({ description: "The provider's word, not ours; unknown values pass through" }),
  providerTime: timestamp.nullable().meta({ description: 'Only when the provider says it precisely' }),
  receivedAt: timestamp,
  errorCode: z.int().nullable(),
  params: z
    .record(z.string(), z.union([z.string(), z.array(z.string())]))
    .meta({ description: 'Every raw parameter; an array where the name was repeated' }),
});

export const twilioMessageStatus = callback.meta({
  id: 'TwilioMessageStatus',
  description: 'Status callback of an outbound message',
});

export const twilioMessageReceived = callback
  .extend({ from: z.string(), to: z.string(), body: z.string().nullable() })
  .meta({ id: 'TwilioMessageReceived', description: 'Inbound SMS, MMS or WhatsApp message' });

const sequence = z.int().nullable().meta({ description: "The provider's SequenceNumber; orders events of one call" });

export const twilioCallStatus = callback
  .extend({ sequence })
  .meta({ id: 'TwilioCallStatus', description: 'Progress of a call' });

export const twilioRecordingStatus = callback
  .extend({ callSid: z.string().nullable() })
  .meta({ id: 'TwilioRecordingStatus', description: 'Status of a recording; resourceSid is the RecordingSid' });

export const twilioTranscriptionEvent = callback
  .extend({ callSid: z.string().nullable(), sequence })
  .meta({ id: 'TwilioTranscriptionEvent', description: 'A transcription, of a recording or in real time' });

export const twilioVerificationEvent = callback
  .extend({ eventType: z.string() })
  .meta({ id: 'TwilioVerificationEvent', description: 'What happened to a verification, an attempt or a factor' });

export const twilioStudioEvent = callback
  .extend({ eventType: z.string() })
  .meta({ id: 'TwilioStudioEvent', description: 'A step or the end of a Studio execution' });

export const twilioDebuggerEvent = callback
  .extend({ level: z.string(), subject: z.string().nullable().meta({ description: 'SID the event is about' }) })
  .meta({ id: 'TwilioDebuggerEvent', description: 'An error or warning of the account; resourceSid is its own SID' });

export const twilioMessageCallbacks = defineTopic({
  name: 'callbacks.twilio.message.v1',
  summary: 'Status callbacks of messages, authenticated and normalised',
  key: 'our message id, else MessageSid',
  messages: { 'twilio.message.status.v1': twilioMessageStatus },
});

export const twilioInboundCallbacks = defineTopic({
  name: 'callbacks.twilio.inbound.v1',
  summary: 'Inbound messages, authenticated and normalised',
  key: 'sender address',
  messages: { 'twilio.message.received.v1': twilioMessageReceived },
});

export const twilioCallCallbacks = defineTopic({
  name: 'callbacks.twilio.call.v1',
  summary: 'Call progress, recordings and transcriptions, authenticated and normalised',
  key: 'CallSid',
  messages: {
    'twilio.call.status.v1': twilioCallStatus,
    'twilio.recording.status.v1': twilioRecordingStatus,
    'twilio.transcription.event.v1': twilioTranscriptionEvent,
  },
});

export const twilioVerifyCallbacks = defineTopic({
  name: 'callbacks.twilio.verify.v1',
  summary: 'Verify events, authenticated and normalised',
  key: 'SID of the verification, factor or challenge',
  messages: { 'twilio.verification.event.v1': twilioVerificationEvent },
});

export const twilioStudioCallbacks = defineTopic({
  name: 'callbacks.twilio.studio.v1',
  summary: 'Studio events, authenticated and normalised',
  key: 'ExecutionSid, else FlowSid',
  messages: { 'twilio.studio.event.v1': twilioStudioEvent },
});

export const twilioDebuggerCallbacks = defineTopic({
  name: 'callbacks.twilio.debugger.v1',
  summary: "The accounts' error and warning log, authenticated and normalised",
  key: 'SID the event is about, else its own',
  messages: { 'twilio.debugger.event.v1': twilioDebuggerEvent },
});

export type TwilioMessageStatus = z.output<typeof twilioMessageStatus>;
export type TwilioMessageReceived = z.output<typeof twilioMessageReceived>;
export type TwilioCallStatus = z.output<typeof twilioCallStatus>;
export type TwilioRecordingStatus = z.output<typeof twilioRecordingStatus>;
export type TwilioTranscriptionEvent = z.output<typeof twilioTranscriptionEvent>;
export type TwilioVerificationEvent = z.output<typeof twilioVerificationEvent>;
export type TwilioStudioEvent = z.output<typeof twilioStudioEvent>;
export type TwilioDebuggerEvent = z.output<typeof twilioDebuggerEvent>;
