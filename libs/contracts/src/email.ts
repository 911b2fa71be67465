import { z } from 'zod';
import { failure, idempotencyKey, lane, metadata, tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

const attachment = z.object({
  filename: z.string().min(1).max(255),
  contentType: z.string().max(255),
  content: z.base64().meta({ description: 'Base64' }),
});

/** A request as its HTTP body has it: the tenant is the token's. */
export const sendEmailRequest = z
  .object({
    idempotencyKey,
    to: z.string().min(3).max(320),
    from: z.string().max(320).nullish(),
    subject: z.string().max(998).nullish(),
    text: z.string().nullish(),
    html: z.string().nullish(),
    templateId: z.string().max(100).nullish(),
    templateData: z.record(z.string(), z.json()).default({}),
    categories: z.array(z.string().max(255)).max(10).default([]),
    lane: lane.default('transactional'),
    sendAt: timestamp.nullish(),
    expiresAt: timestamp.nullish(),
    attachments: z.array(attachment).max(20).default([]),
    correlationId: z.string().max(100).nullish().meta({ description: 'The request this one stands in for' }),
    metadata: metadata.default({}),
  })
  .refine((command) => Boolean(command.templateId) || Boolean(command.text) || Boolean(command.html), {
    message: 'one of templateId, text or html is needed',
    path: ['text'],
  });

export const sendEmailCommand = sendEmailRequest
  .safeExtend({ tenant: tenantName })
  .meta({ id: 'EmailSend', description: 'Send one email' });

export const emailCommands = defineTopic({
  name: 'commands.email.v1',
  summary: 'Send an email',
  key: 'tenant + recipient, e.g. demo:a@example.com',
  messages: { 'email.send.v1': sendEmailCommand },
});

export type SendEmailRequest = z.output<typeof sendEmailRequest>;
export type SendEmailCommand = z.output<typeof sendEmailCommand>;

export const emailState = z.enum(['accepted', 'submitted', 'completed', 'failed']).meta({ id: 'EmailState' });

export const emailStateChanged = z
  .object({
    tenant: tenantName,
    emailId: z.uuid(),
    idempotencyKey,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per email' }),
    state: emailState,
    previousState: emailState.nullable(),
    at: timestamp,
    to: z.string(),
    providerSid: z.string().nullable(),
    error: failure.nullable(),
    metadata,
  })
  .meta({ id: 'EmailStateChanged', description: 'An email moved forward' });

export const emailEvents = defineTopic({
  name: 'events.email.v1',
  summary: 'Every state change of an email, in order',
  key: 'our email id',
  messages: { 'email.email.state-changed.v1': emailStateChanged },
});

export type EmailState = z.output<typeof emailState>;
export type EmailStateChanged = z.output<typeof emailStateChanged>;
