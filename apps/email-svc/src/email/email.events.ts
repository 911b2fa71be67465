import { type EmailStateChanged, type CloudEvent, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { Step } from './email.ts';

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
      to: email.request.to,
      providerSid: change.from === null ? null : email.providerSid,
      error: change.error,
      metadata: email.request.metadata,
    };
    const event: CloudEvent = {
      id: `${email.id}.${change.sequence}`,
      source: '//signalbox/email-svc',
      type: 'email.email.state-changed.v1',
      time: change.at,
      subject: email.id,
      data,
    };
    return { topic: topics.emailEvents.name, key: email.id, event };
  });
}
