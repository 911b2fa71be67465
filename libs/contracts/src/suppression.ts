import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

export const suppressionScope = z.string().max(100).meta({
  description:
    'What the recipient opted out of: a messaging service (its SID), a sender, group:<id> (an unsubscribe group of SendGrid), or * for the whole tenant',
});

export const suppressionReason = z
  .enum([
    'stop_keyword',
    'advanced_opt_out',
    'provider_refused',
    'api',
    'import',
    'bounce',
    'spam_report',
    'unsubscribe',
  ])
  .meta({
    description:
      'stop_keyword: a word of STOP filtering, START among them; provider_refused: the provider knew of an opt-out that we did not',
  });

export const suppressionState = z.enum(['opted_out', 'opted_in']);
export const suppressionChannel = z
  .enum(['sms', 'whatsapp', 'email'])
  .meta({ description: 'sms stands for SMS, MMS and RCS: an opt-out from one is an opt-out from all three' });

export const suppressionChanged = z
  .object({
    tenant: tenantName,
    recipient: z.string(),
    channel: suppressionChannel,
    scope: suppressionScope,
    state: suppressionState,
    reason: suppressionReason,
    keyword: z.string().nullish().meta({
      description:
        'The word that said so. The provider takes YES for START: it lifts the opt-out and is no consent to marketing',
    }),
    at: timestamp,
    sequence: z.int().min(1).meta({ description: 'From 1, without gaps, per key' }),
    source: z.string().nullable().meta({
      description: "The provider's SID of the message that said so, our id of the one it refused, or who asked for it",
    }),
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
export type SuppressionState = z.output<typeof suppressionState>;
export type SuppressionChannel = z.output<typeof suppressionChannel>;
