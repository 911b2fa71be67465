import { type AnomalyClosed, type AnomalyOpened, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { Block } from './block.ts';
import { unconvertedShare } from './guard.rules.ts';

/** A block of the guard is an anomaly, open as long as it stands; what an administrator blocks is none. */
export function toAnomalyEvent(block: Block): OutgoingEvent {
  const { id, tenant, prefix, blockedAt, endedAt } = block;
  const data: AnomalyOpened = {
    anomalyId: id,
    tenant,
    kind: 'sms_pumping',
    scope: { prefix },
    at: endedAt ?? blockedAt,
    volume: Math.round(block.started),
    rate: unconvertedShare(block),
    baseline: block.usualShare,
  };
  return {
    topic: topics.analyticsEvents.name,
    key: `${tenant}:prefix=${prefix}`,
    event: {
      id: `${id}.${endedAt === null ? 'opened' : 'closed'}`,
      source: '//signalbox/verify-svc',
      type: endedAt === null ? 'analytics.anomaly.opened.v1' : 'analytics.anomaly.closed.v1',
      time: data.at,
      subject: id,
      data: endedAt === null ? data : ({ ...data, openedAt: blockedAt } satisfies AnomalyClosed),
    },
  };
}
