import { z } from 'zod';
import { failure, idempotencyKey, lane, metadata, tenantName, timestamp } from './fields.ts';
import { attachmentReference } from './sendgrid-callbacks.ts';
import { defineTopic } from './topic.ts';

/** Bytes of all attachments of an email, decoded. SendGrid takes 30 MB in all and advises against more than 10. */
export const maxAttachmentBytes = 10 * 1024 * 1024;

const attachment = z.object({
  filename: z.string().min(1).max(255),
  contentType: z.string().max(255),
  content: z.base64().meta({ description: 'Base64' }),
  contentId: z
    .string()
    .max(255)
    .nullish()
    .meta({ description: 'Shown inside the HTML, which refers to it by cid:<contentId>, and not as a file' }),
});

const address = z
  .string()
  .min(3)
  .max(320)
  .meta({ description: 'An address, or Name <address>', examples: ['a@example.com'] });

const body = z.string().refine((text) => text.length <= 500_000, 'must not be above 500,000 characters');

/** A request as its HTTP body has it: the tenant is the token's. */
export const sendEmailRequest = z
  .object({
    idempotencyKey,
    to: address,
    from: z.string().max(320).nullish().meta({ description: "Default: the tenant's sender" }),
    replyTo: address.nullish(),
    trackReplies: z.boolean().default(false).meta({
      description:
        "Answers go to an address of the tenant's Inbound Parse that names this email; not with replyTo. Such emails share no call of the provider",
    }),
    subject: z
      .string()
      .max(998)
      .nullish()
      .meta({ description: 'Default: the first line of the text; a template brings its own' }),
    text: body.nullish(),
    html: body.nullish(),
    templateId: z
      .string()
      .max(100)
      .nullish()
      .meta({ description: 'A dynamic template, by its id at SendGrid; takes the place of text and html' }),
    template: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
      .nullish()
      .meta({
        description:
          'A template of ours, by its name: data that does not fit it is refused before anything is sent. Not with templateId',
      }),
    templateData: z
      .record(z.string(), z.json())
      .default({})
      .refine((data) => JSON.stringify(data).length <= 100_000, 'must not be above 100,000 characters of JSON'),
    categories: z.array(z.string().max(255)).max(10).default([]),
    lane: lane.default('transactional'),
    sendAt: timestamp.nullish(),
    expiresAt: timestamp.nullish(),
    attachments: z
      .array(attachment)
      .max(20)
      .default([])
      .refine((all) => all.reduce((sum, { content }) => sum + (content.length * 3) / 4, 0) <= maxAttachmentBytes, {
        message: `must not be above ${maxAttachmentBytes} bytes in all`,
      }),
    unsubscribeGroup: z.int().min(1).nullish().meta({
      description:
        'Of bulk email: the unsubscribe group (ASM) it belongs to. Without one, whoever left any group is left out',
    }),
    ipPool: z.string().min(2).max(64).nullish().meta({
      description:
        "By the tenant file's name of it or by SendGrid's. Default: as `email.pools` of the tenant file says",
    }),
    correlationId: z.string().max(100).nullish().meta({ description: 'The request this one stands in for' }),
    metadata: metadata.default({}),
  })
  .refine(({ template, templateId, text, html }) => Boolean(template ?? templateId) || Boolean(text) || Boolean(html), {
    message: 'one of template, templateId, text or html is needed',
    path: ['text'],
  })
  .refine((command) => !(command.template && command.templateId), {
    message: 'does not go with templateId',
    path: ['template'],
  })
  .refine((command) => !(command.trackReplies && command.replyTo), {
    message: 'does not go with replyTo',
    path: ['trackReplies'],
  });

export const sendEmailCommand = sendEmailRequest
  .safeExtend({ tenant: tenantName })
  .meta({ id: 'EmailSend', description: 'Send one email' });

export const cancelEmailCommand = z
  .object({ tenant: tenantName, emailId: z.uuid().nullish(), idempotencyKey: idempotencyKey.nullish() })
  .refine((command) => Boolean(command.emailId) !== Boolean(command.idempotencyKey), {
    message: 'exactly one of emailId and idempotencyKey is needed',
    path: ['emailId'],
  })
  .meta({ id: 'EmailCancel', description: 'Cancel an email that has not gone to the provider yet' });

export const emailCommands = defineTopic({
  name: 'commands.email.v1',
  summary: 'Send or cancel an email',
  key: 'tenant + recipient, e.g. demo:a@example.com',
  messages: { 'email.send.v1': sendEmailCommand, 'email.cancel.v1': cancelEmailCommand },
});

export const emailState = z
  .enum([
    'accepted',
    'scheduled',
    'queued',
    'submitting',
    'submitted',
    'processed',
    'deferred',
    'delivered',
    'dropped',
    'bounced',
    'complained',
    'failed',
    'rejected',
    'canceled',
    'expired',
  ])
  .meta({
    id: 'EmailState',
    description:
      'submitted: SendGrid has the request; processed: it will be sent; deferred: the other server wants it later; ' +
      'dropped: SendGrid would not send it; bounced: the other server refused it; complained: reported as spam',
  });

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
    provider: z.literal('sendgrid'),
    providerSid: z.string().nullable().meta({
      description:
        'X-Message-Id, with which every sg_message_id begins; emails that were handed over in one call share it',
    }),
    error: failure.nullable(),
    correlationId: z.string().nullable().meta({ description: 'The request this one stands in for' }),
    metadata,
  })
  .meta({ id: 'EmailStateChanged', description: 'An email moved forward' });

export const emailEngagement = z.enum([
  'open',
  'machine_open',
  'click',
  'unsubscribe',
  'group_unsubscribe',
  'group_resubscribe',
]);

export const emailEngaged = z
  .object({
    tenant: tenantName,
    emailId: z.uuid(),
    kind: emailEngagement.meta({
      description: "machine_open: a mail client's proxy, as Apple Mail's, fetched the images; nobody may have looked",
    }),
    at: timestamp,
    to: z.string(),
    url: z.string().nullable().meta({ description: 'Of a click' }),
    unsubscribeGroup: z.int().nullable(),
    correlationId: z.string().nullable(),
    metadata,
  })
  .meta({ id: 'EmailEngaged', description: 'What the recipient did with an email; it does not move the email' });

export const inboundKind = z.enum(['message', 'auto_reply', 'bounce', 'list']).meta({
  id: 'InboundEmailKind',
  description:
    'message: a person wrote it, as far as its headers tell; auto_reply: out of office and the like; bounce: a report ' +
    'that an email was not delivered; list: a mailing list, or bulk',
});

/** What a server of the other side said of an email, in lower case: pass, fail, softfail, neutral, none … */
const verdict = z.string().max(50);

export const emailReceived = z
  .object({
    tenant: tenantName,
    inboundId: z.uuid(),
    at: timestamp,
    kind: inboundKind,
    from: z.string().meta({ description: "The From header's address; anyone can write one, see spf and dkim" }),
    fromName: z.string().nullable(),
    envelopeFrom: z.string().meta({ description: 'Of SMTP; empty for a bounce' }),
    to: z.array(z.string()).meta({ description: 'Recipients in SMTP' }),
    subject: z.string().nullable(),
    text: z.string().nullable(),
    html: z.string().nullable().meta({
      description: 'Sanitised: no scripts, styles, forms, frames or images from the net. Still a stranger wrote it',
    }),
    cut: z.boolean().meta({ description: 'Text or HTML is longer than is told here' }),
    textBlob: z.string().nullable().meta({ description: 'Key in the blob store of a text that was too long' }),
    htmlBlob: z.string().nullable().meta({ description: 'The same of HTML, as it was posted: not sanitised' }),
    raw: attachmentReference.nullable().meta({ description: 'The MIME source, when the webhook posts it raw' }),
    attachments: z.array(attachmentReference),
    messageId: z.string().nullable(),
    spamScore: z.number().nullable().meta({ description: "SpamAssassin's; from 5 on it is probably spam" }),
    spf: verdict.nullable(),
    dkim: z.array(z.object({ domain: z.string(), result: verdict })),
    topic: z.string().nullable().meta({ description: "Of the first of the tenant's routes that fits" }),
    inReplyTo: z
      .object({
        emailId: z.uuid(),
        idempotencyKey,
        by: z.enum(['token', 'message_id']).meta({
          description:
            'token: it came to the address that only the recipient of that email was given; message_id: its headers say so',
        }),
        correlationId: z.string().nullable(),
        metadata,
      })
      .nullable()
      .meta({ description: 'The email of ours that it answers' }),
  })
  .meta({ id: 'EmailReceived', description: 'Somebody sent an email; attachments stand in the blob store' });

export const emailEvents = defineTopic({
  name: 'events.email.v1',
  summary: 'Every state change of an email, in order; what its recipient did with it; emails that were received',
  key: 'our email id; of an email that was received, its own',
  messages: {
    'email.email.state-changed.v1': emailStateChanged,
    'email.email.engaged.v1': emailEngaged,
    'email.email.received.v1': emailReceived,
  },
});

export type SendEmailRequest = z.output<typeof sendEmailRequest>;
export type SendEmailCommand = z.output<typeof sendEmailCommand>;
export type SendEmailCommandInput = z.input<typeof sendEmailCommand>;
export type CancelEmailCommand = z.output<typeof cancelEmailCommand>;
export type EmailState = z.output<typeof emailState>;
export type EmailStateChanged = z.output<typeof emailStateChanged>;
export type EmailEngagement = z.output<typeof emailEngagement>;
export type EmailEngaged = z.output<typeof emailEngaged>;
export type InboundEmailKind = z.output<typeof inboundKind>;
export type EmailReceived = z.output<typeof emailReceived>;
