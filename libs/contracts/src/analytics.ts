import { z } from 'zod';
import { tenantName, timestamp } from './fields.ts';
import { defineTopic } from './topic.ts';

const anomaly = z.object({
  anomalyId: z.uuid(),
  tenant: tenantName,
  kind: z.enum(['failure_rate', 'sms_pumping']).meta({
    description:
      'sms_pumping: of messages, or by `ce_source` //signalbox/verify-svc of verifications; open as long as the prefix is blocked',
  }),
  scope: z
    .record(z.string(), z.string())
    .meta({ description: 'What it is about: sender, country, prefix, carrier, code', examples: [{ country: 'US' }] }),
  at: timestamp,
  volume: z.int().meta({ description: 'Messages looked at, or verifications' }),
  rate: z
    .number()
    .min(0)
    .max(1)
    .meta({ description: 'Share of them that failed; of verifications, that were not approved' }),
  baseline: z.number().min(0).max(1).meta({ description: 'The share that is usual for this scope' }),
});

export const anomalyOpened = anomaly.meta({ id: 'AnomalyOpened', description: 'Failures rose above their baseline' });
export const anomalyClosed = anomaly
  .extend({ openedAt: timestamp })
  .meta({ id: 'AnomalyClosed', description: 'Failures are back at their baseline' });

const emailRestriction = z.object({
  restrictionId: z.uuid(),
  tenant: tenantName,
  stream: z.string().meta({ description: 'bulk: of the bulk lane; transactional: all other email' }),
  mailboxProvider: z.string().meta({ description: 'Who keeps the mailboxes', examples: ['gmail'] }),
  action: z.string().meta({
    description: 'throttled: goes slower; stopped: waits. Email of the critical lane goes on',
    examples: ['stopped'],
  }),
  reason: z.string().meta({
    description: 'complaints, bounces or blocks: above their threshold; operator: stopped by a person',
    examples: ['complaints'],
  }),
  enforced: z.boolean().meta({ description: 'False: the tenant file says to tell of it only' }),
  at: timestamp,
  volume: z.int().meta({ description: 'Emails looked at; 0 when a person decided' }),
  rate: z.number().min(0).max(1).meta({ description: 'Share of them' }),
  threshold: z.number().min(0).max(1).meta({ description: 'The share that was too much' }),
});

export const emailRestrictionOpened = emailRestriction.meta({
  id: 'EmailRestrictionOpened',
  description: 'A stream of emails to a mailbox provider goes slower, or waits',
});
export const emailRestrictionClosed = emailRestriction
  .extend({
    openedAt: timestamp,
    closedBy: z
      .string()
      .nullable()
      .meta({ description: 'The name of the API token it was lifted with; null: by rule, or another took its place' }),
  })
  .meta({ id: 'EmailRestrictionClosed', description: 'It does so no longer, or another restriction took its place' });

export const analyticsEvents = defineTopic({
  name: 'events.analytics.v1',
  summary: 'Failure-rate anomalies, signs of fraud, and streams of emails that are held back: opened and closed',
  key: 'scope, e.g. demo:country=US',
  messages: {
    'analytics.anomaly.opened.v1': anomalyOpened,
    'analytics.anomaly.closed.v1': anomalyClosed,
    'analytics.email-restriction.opened.v1': emailRestrictionOpened,
    'analytics.email-restriction.closed.v1': emailRestrictionClosed,
  },
});

export type AnomalyOpened = z.output<typeof anomalyOpened>;
export type AnomalyClosed = z.output<typeof anomalyClosed>;
export type EmailRestrictionOpened = z.output<typeof emailRestrictionOpened>;
export type EmailRestrictionClosed = z.output<typeof emailRestrictionClosed>;
