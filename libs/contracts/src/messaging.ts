import { z } from 'zod';
import {
  decimalString,
  failure,
  idempotencyKey,
  isoDuration,
  lane,
  metadata,
  tenantName,
  timestamp,
  timeZone,
} from './fields.ts';
import { defineTopic } from './topic.ts';

export const messageChannel = z.enum(['sms', 'mms', 'whatsapp']);

export const fallbackStep = z
  .object({
    channel: z.enum(['sms', 'whatsapp', 'voice', 'email']),
    after: isoDuration.nullish().meta({
      description:
        'Taken when not delivered within this time, from acceptance or the step before; else on failure only',
    }),
    to: z.string().max(320).nullish().meta({ description: "Default: the message's recipient" }),
    subject: z.string().max(998).nullish().meta({ description: 'Of an email; default: the first line of the body' }),
  })
  .refine((step) => step.channel !== 'email' || Boolean(step.to?.includes('@')), {
    message: 'an email needs an address',
    path: ['to'],
  });

/** Where a person's opt-in is on record; kept with the message, not looked into. */
export const consent = z.object({
  id: z.string().max(200).nullish().meta({ description: 'Of the opt-in record' }),
  source: z
    .string()
    .max(200)
    .nullish()
    .meta({ description: 'How it was given', examples: ['checkout'] }),
  at: timestamp.nullish(),
});

/** A send request as its HTTP body has it: the tenant is the token's. */
export const sendRequest = z
  .object({
    idempotencyKey,
    to: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: 'E.164, or whatsapp:+E.164', examples: ['+14155550199'] }),
    body: z.string().max(1600).nullish().meta({ description: 'Text; may be absent with media or a content template' }),
    from: z.string().max(200).nullish().meta({ description: 'A sender of the tenant; else the messaging service' }),
    messagingService: z.string().max(64).nullish().meta({ description: 'A name from the tenant file' }),
    channel: messageChannel.default('sms'),
    mediaUrls: z
      .array(z.url({ protocol: /^https?$/ }).max(2048))
      .max(10)
      .default([]),
    contentSid: z
      .string()
      .regex(/^HX[0-9a-f]{32}$/)
      .nullish(),
    contentVariables: z.record(z.string(), z.string()).default({}),
    lane: lane.default('transactional'),
    sendAt: timestamp.nullish(),
    expiresAt: timestamp.nullish(),
    maxPrice: decimalString
      .nullish()
      .meta({ description: "Refused when the price table's estimate is higher; in the table's currency" }),
    maxSegments: z.int().min(1).max(30).nullish().meta({ description: 'Refused when the text of an SMS takes more' }),
    timeZone: timeZone
      .nullish()
      .meta({ description: "The recipient's, for quiet hours; else where the number says they may be" }),
    consent: consent.nullish().meta({ description: 'The opt-in this message relies on' }),
    fallback: z.array(fallbackStep).max(5).default([]),
    metadata: metadata.default({}),
  })
  .refine((request) => Boolean(request.body) || request.mediaUrls.length > 0 || Boolean(request.contentSid), {
    message: 'one of body, mediaUrls or contentSid is needed',
    path: ['body'],
  })
  .refine((request) => request.fallback.length === 0 || Boolean(request.body), {
    message: 'a fallback says the body on another channel, so there has to be one',
    path: ['fallback'],
  });

export const sendCommand = sendRequest
  .safeExtend({ tenant: tenantName })
  .meta({ id: 'MessagingSend', description: 'Send one message' });

export const cancelCommand = z
  .object({ tenant: tenantName, messageId: z.uuid().nullish(), idempotencyKey: idempotencyKey.nullish() })
  .refine((command) => Boolean(command.messageId) !== Boolean(command.idempotencyKey), {
    message: 'exactly one of messageId and idempotencyKey is needed',
    path: ['messageId'],
  })
  .meta({ id: 'MessagingCancel', description: 'Cancel a message that has not gone to the provider yet' });

export const messageState = z
  .enum([
    'accepted',
    'scheduled',
    'queued',
    'submitting',
    'submitted',
    'sent',
    'delivered',
    'read',
    'undelivered',
    'failed',
    'rejected',
    'canceled',
    'expired',
  ])
  .meta({ id: 'MessageState' });

export const messageStateChanged = z
  .object({
    tenant: tenantName,
    messageId: z.uuid(),
    idempotencyKey,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per message' }),
    state: messageState,
    previousState: messageState.nullable(),
    at: timestamp,
    to: z.string(),
    provider: z.literal('twilio'),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
  })
  .meta({ id: 'MessageStateChanged', description: 'A message moved forward' });

export const messageReceived = z
  .object({
    tenant: tenantName,
    messageId: z.uuid(),
    at: timestamp,
    channel: messageChannel,
    from: z.string(),
    to: z.string(),
    body: z.string().nullable(),
    media: z.array(z.object({ url: z.string(), contentType: z.string().nullable() })),
    provider: z.literal('twilio'),
    providerSid: z.string(),
    optOutType: z.string().nullable().meta({
      description:
        'STOP, START or HELP: as Advanced Opt-Out says, else as we read the keyword; a plain YES stays null, it may answer a question',
    }),
    inReplyTo: z
      .uuid()
      .nullish()
      .meta({ description: 'Our last message to this person from the sender or messaging service they wrote to' }),
  })
  .meta({ id: 'MessageReceived', description: 'A person wrote to one of our senders' });

export const messagingCommands = defineTopic({
  name: 'commands.messaging.v1',
  summary: 'Send or cancel a message',
  key: 'tenant + recipient, e.g. demo:+14155550199',
  messages: { 'messaging.send.v1': sendCommand, 'messaging.cancel.v1': cancelCommand },
});

export const messagingEvents = defineTopic({
  name: 'events.messaging.v1',
  summary: 'Every state change of a message, in order; messages received',
  key: 'our message id',
  messages: {
    'messaging.message.state-changed.v1': messageStateChanged,
    'messaging.message.received.v1': messageReceived,
  },
});

export type Consent = z.output<typeof consent>;
export type SendRequest = z.output<typeof sendRequest>;
export type SendCommand = z.output<typeof sendCommand>;
export type CancelCommand = z.output<typeof cancelCommand>;
export type MessageChannel = z.output<typeof messageChannel>;
export type MessageState = z.output<typeof messageState>;
export type MessageStateChanged = z.output<typeof messageStateChanged>;
export type MessageReceived = z.output<typeof messageReceived>;
/** What a caller may write: defaults left out. */
export type SendRequestInput = z.input<typeof sendRequest>;
export type SendCommandInput = z.input<typeof sendCommand>;
