import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

export const suppressionScope = z.string().max(100).meta({
  description: 'What the recipient opted out of: a messaging service (its SID), a sender, or * for the whole tenant',
});

export const suppressionReason = z.enum([
  'stop_keyword',
  'advanced_opt_out',
  'provider_refused',
  'api',
  'import',
  'bounce',
  'spam_report',
  'unsubscribe',
]);

export const suppressionChanged = z
  .object({
    tenant: tenantName,
    recipient: z.string(),
    channel: z.enum(['sms', 'whatsapp', 'email']),
    scope: suppressionScope,
    state: z.enum(['opted_out', 'opted_in']),
    reason: suppressionReason,
    at: timestamp,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per key' }),
    source: z.string().nullable().meta({ description: "The provider's SID of the message that said so, or who did" }),
  })
  .meta({ id: 'SuppressionChanged', description: 'A recipient opted out, or in again' });

export const suppressionEvents = defineTopic({
  name: 'events.suppression.v1',
  summary: 'Who must not be written to; compacted, so reading it from the start gives the whole list',
  key: 'tenant, channel, scope and recipient, e.g. demo:sms:MG…:+14155550199',
  cleanup: 'compact',
  messages: { 'suppression.changed.v1': suppressionChanged },
});

export type SuppressionChanged = z.output<typeof suppressionChanged>;
export type SuppressionReason = z.output<typeof suppressionReason>;
