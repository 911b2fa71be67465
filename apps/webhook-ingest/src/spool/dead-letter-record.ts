import { deadLetterTopic, type Topic } from '@signalbox/contracts';
import { deadLetterHeader } from '@signalbox/kafka';
import type { Unusable } from '../intake/intake.ts';
import type { SpooledRecord } from './spool.ts';

/** A record that was acknowledged and that its topic does not take, for the dead letters, which take larger ones. */
export function refusedRecord(record: SpooledRecord, reason: string, at: Date): SpooledRecord {
  return {
    ...record,
    topic: deadLetterTopic({ name: record.topic }),
    headers: { ...record.headers, ...why(record.topic, reason, at) },
  };
}

/** What came in and could not become a record, for the dead letters of the topic it was meant for. */
export function deadLetterRecord(topic: Topic, { key, tenant, value, reason }: Unusable, at: Date): SpooledRecord {
  return {
    topic: deadLetterTopic(topic),
    key,
    value,
    headers: {
      ce_source: '//signalbox/webhook-ingest',
      sb_tenant: tenant,
      ...why(topic.name, reason, at),
    },
  };
}

function why(topic: string, reason: string, at: Date): Record<string, string> {
  return {
    [deadLetterHeader.topic]: topic,
    [deadLetterHeader.reason]: reason.slice(0, 500),
    [deadLetterHeader.attempts]: '1',
    [deadLetterHeader.group]: 'webhook-ingest',
    [deadLetterHeader.time]: at.toISOString(),
  };
}
