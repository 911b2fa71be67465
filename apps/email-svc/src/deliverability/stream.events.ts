import { type EmailRestrictionClosed, type EmailRestrictionOpened, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { eventSource } from '../email/email.events.ts';
import type { Stream } from './stream.state.ts';

/** A stream before and after a decision. */
export interface StreamMove {
  readonly before: Stream;
  readonly after: Stream;
  /** When it was decided. */
  readonly at: string;
  readonly enforced: boolean;
}

/** What a move tells: the end of the restriction that was, the beginning of the one that is. */
export function toEvents({ before, after, enforced }: StreamMove): OutgoingEvent[] {
  if (before.restriction === after.restriction) return [];
  const closed = before.restriction === null ? [] : [closedEvent(before, after, enforced)];
  return after.restriction === null ? closed : [...closed, openedEvent(after, after.restriction, enforced)];
}

function openedEvent(stream: Stream, id: string, enforced: boolean): OutgoingEvent {
  return toOutgoing(
    `${id}.opened`,
    'analytics.email-restriction.opened.v1',
    dataOf(stream, id, stream.since, enforced),
  );
}

function closedEvent(before: Stream, after: Stream, enforced: boolean): OutgoingEvent {
  const id = before.restriction ?? '';
  const data: EmailRestrictionClosed = {
    ...dataOf(before, id, after.since, enforced),
    openedAt: before.since,
    closedBy: after.by,
  };
  return toOutgoing(`${id}.closed`, 'analytics.email-restriction.closed.v1', data);
}

function dataOf(stream: Stream, id: string, at: string, enforced: boolean): EmailRestrictionOpened {
  return {
    restrictionId: id,
    tenant: stream.tenant,
    stream: stream.stream,
    mailboxProvider: stream.provider,
    action: stream.state,
    reason: stream.reason ?? '',
    enforced,
    at,
    volume: stream.volume,
    rate: stream.rate,
    threshold: stream.threshold,
  };
}

function toOutgoing(id: string, type: string, data: EmailRestrictionOpened): OutgoingEvent {
  return {
    topic: topics.analyticsEvents.name,
    key: `${data.tenant}:provider=${data.mailboxProvider},stream=${data.stream}`,
    event: { id, source: eventSource, type, time: data.at, subject: data.restrictionId, data },
  };
}
