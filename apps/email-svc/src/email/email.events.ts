import { type CloudEvent, type EmailEngaged, type EmailStateChanged, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { Email, Step } from './email.ts';

export const eventSource = '//signalbox/email-svc';

/** The events of a step, one per move; the id is the move's, so a consumer recognises a repeat. */
export function toEvents({ email, changes }: Step): OutgoingEvent[] {
  return changes.map((change) => {
    const data: EmailStateChanged = {
      tenant: email.tenant,
      emailId: email.id,
      idempotencyKey: email.idempotencyKey,
      sequence: change.sequence,
      state: change.to,
      previousState: change.from,
      at: change.at,
      to: email.to,
      provider: 'sendgrid',
      providerSid: change.from === null ? null : email.providerSid,
      error: change.error,
      correlationId: email.correlationId,
      metadata: email.metadata,
    };
    return toOutgoing(email, `${email.id}.${change.sequence}`, 'email.email.state-changed.v1', change.at, data);
  });
}

/** What a recipient did; `occurrence` tells it from other deeds of theirs. */
export function toEngagement(
  email: Email,
  { occurrence, ...deed }: Pick<EmailEngaged, 'kind' | 'at' | 'url' | 'unsubscribeGroup'> & { occurrence: string },
): OutgoingEvent {
  const data: EmailEngaged = {
    tenant: email.tenant,
    emailId: email.id,
    ...deed,
    to: email.to,
    correlationId: email.correlationId,
    metadata: email.metadata,
  };
  return toOutgoing(email, `${email.id}.${occurrence}`, 'email.email.engaged.v1', deed.at, data);
}

function toOutgoing(email: Email, id: string, type: string, time: string, data: CloudEvent['data']): OutgoingEvent {
  const event: CloudEvent = {
    id,
    source: eventSource,
    type,
    time,
    subject: email.id,
    traceparent: email.traceparent,
    data,
  };
  return { topic: topics.emailEvents.name, key: email.id, event };
}
