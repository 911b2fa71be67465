import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

/** The head every normalised Twilio callback has; `params` keeps each raw parameter, known to us or not. */
const callback = z.object({
  accountSid: z.string(),
  tenant: tenantName,
  resourceSid: z.string(),
  correlationId: z.string().nullable().meta({ description: 'Our id from the callback URL, vouched for by the signature' }),
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

export type TwilioMessageStatus = z.output<typeof twilioMessageStatus>;
export type TwilioMessageReceived = z.output<typeof twilioMessageReceived>;
