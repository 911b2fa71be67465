import { deadLetterTopic, type Topic } from '@signalbox/contracts';
import { deadLetterHeader } from '@signalbox/kafka';
import type { Unusable } from '../intake/intake.ts';
import type { SpooledRecord } from './spool.ts';

/** What came in and could not become a record, for the dead letters of the topic it was meant for. */
export function deadLetterRecord(topic: Topic, { key, tenant, value, reason }: Unusable, at: Date): SpooledRecord {
  return {
    topic: deadLetterTopic(topic),
    key,
    value,
    headers: {
      ce_source: '//signalbox/webhook-ingest',
      sb_tenant: tenant,
      [deadLetterHeader.topic]: topic.name,
      [deadLetterHeader.reason]: reason.slice(0, 500),
      [deadLetterHeader.attempts]: '1',
      [deadLetterHeader.group]: 'webhook-ingest',
      [deadLetterHeader.time]: at.toISOString(),
    },
  };
}
