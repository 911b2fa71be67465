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

export const analyticsEvents = defineTopic({
  name: 'events.analytics.v1',
  summary: 'Failure-rate anomalies and signs of fraud, opened and closed',
  key: 'scope, e.g. demo:country=US',
  messages: { 'analytics.anomaly.opened.v1': anomalyOpened, 'analytics.anomaly.closed.v1': anomalyClosed },
});

export type AnomalyOpened = z.output<typeof anomalyOpened>;
export type AnomalyClosed = z.output<typeof anomalyClosed>;
