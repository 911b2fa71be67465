import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

export const sendgridEmailEvent = z
  .object({
    tenant: tenantName,
    resourceSid: z.string().meta({ description: 'sg_message_id; empty where SendGrid leaves it out' }),
    correlationId: z.string().nullable().meta({ description: 'Our message id from custom_args' }),
    status: z.string().meta({ description: "SendGrid's `event`; unknown values pass through" }),
    providerTime: timestamp.nullable(),
    receivedAt: timestamp,
    errorCode: z.int().nullable(),
    eventId: z.string().nullable().meta({ description: 'sg_event_id; it may change when SendGrid sends again' }),
    email: z.string(),
    params: z.record(z.string(), z.json()).meta({ description: 'The event as it came' }),
  })
  .meta({ id: 'SendgridEmailEvent', description: 'One event of a SendGrid batch' });

export const attachmentReference = z
  .object({
    blob: z.string().meta({ description: 'Key in the blob store' }),
    filename: z.string().nullable(),
    contentType: z.string().nullable(),
    contentId: z.string().nullable(),
    bytes: z.int(),
    sha256: z.string(),
  })
  .meta({ id: 'AttachmentReference' });

export const sendgridEmailReceived = z
  .object({
    tenant: tenantName,
    resourceSid: z.string().meta({ description: 'Message-ID header, else a digest of the email' }),
    correlationId: z.string().nullable(),
    status: z.literal('received'),
    providerTime: timestamp.nullable(),
    receivedAt: timestamp,
    errorCode: z.int().nullable(),
    from: z.string().meta({ description: 'Envelope sender' }),
    to: z.array(z.string()).meta({ description: 'Envelope recipients' }),
    subject: z.string().nullable(),
    text: z.string().nullable(),
    html: z.string().nullable(),
    raw: attachmentReference.nullable().meta({ description: 'The MIME source, when the webhook posts it raw' }),
    attachments: z.array(attachmentReference),
    params: z.record(z.string(), z.string()).meta({ description: 'Every other raw field, decoded' }),
  })
  .meta({ id: 'SendgridEmailReceived', description: 'An inbound email; large parts stand in the blob store' });

export const sendgridEventCallbacks = defineTopic({
  name: 'callbacks.sendgrid.event.v1',
  summary: 'One record per event of a SendGrid batch, authenticated and normalised',
  key: 'our message id, else sg_message_id',
  messages: { 'sendgrid.email.event.v1': sendgridEmailEvent },
});

export const sendgridInboundCallbacks = defineTopic({
  name: 'callbacks.sendgrid.inbound.v1',
  summary: 'Inbound emails, authenticated, parsed; attachments by reference',
  key: 'envelope sender',
  messages: { 'sendgrid.email.received.v1': sendgridEmailReceived },
});

export type SendgridEmailEvent = z.output<typeof sendgridEmailEvent>;
export type SendgridEmailReceived = z.output<typeof sendgridEmailReceived>;
export type AttachmentReference = z.output<typeof attachmentReference>;
