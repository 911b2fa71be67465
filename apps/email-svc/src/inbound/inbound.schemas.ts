import { emailReceived, inboundKind, timestamp } from '@signalbox/contracts';
import { cursorParameter } from '@signalbox/service';
import { z } from 'zod';

export const inboundEmail = emailReceived
  .extend({
    redactedAt: timestamp
      .nullable()
      .meta({ description: 'When subject, text, HTML and references were taken out, by the retention of the tenant' }),
  })
  .meta({ id: 'InboundEmail', description: 'An email that was received' });

export const inboundSummary = inboundEmail
  .omit({ text: true, html: true })
  .meta({ id: 'InboundEmailSummary', description: 'The same without its content' });

export const inboundPage = z
  .object({
    emails: z.array(inboundSummary),
    nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to read on; null at the end' }),
  })
  .meta({ id: 'InboundEmailPage' });

export const inboundIdParam = z.uuid();

export const inboundQuery = z.object({
  from: z.string().min(1).max(320).optional().meta({ description: "The From header's address" }),
  to: z.string().min(1).max(320).optional().meta({ description: 'One of the recipients in SMTP' }),
  kind: inboundKind.optional(),
  topic: z.string().max(64).optional(),
  inReplyTo: z.uuid().optional().meta({ description: 'The id of the email that is answered' }),
  cursor: cursorParameter.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export type InboundQuery = z.output<typeof inboundQuery>;
export type InboundEmailView = z.output<typeof inboundEmail>;
export type InboundSummary = z.output<typeof inboundSummary>;
