import { type CloudEvent, type MessageStateChanged, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { MessageHead, Step } from './message.ts';

export const eventSource = '//signalbox/messaging-svc';

/** The events of a step, one per move; the id is the move's, so a consumer recognises a repeat. */
export function toEvents(step: Step<MessageHead>): OutgoingEvent[] {
  return step.changes.map((change) => {
    const { message } = step;
    const data: MessageStateChanged = {
      tenant: message.tenant,
      messageId: message.id,
      idempotencyKey: message.idempotencyKey,
      sequence: change.sequence,
      state: change.to,
      previousState: change.from,
      at: change.at,
      to: message.to,
      provider: 'twilio',
      providerSid: providerSidAt(message, change.to),
      error: change.error,
      metadata: message.metadata,
    };
    const event: CloudEvent = {
      id: `${message.id}.${change.sequence}`,
      source: eventSource,
      type: 'messaging.message.state-changed.v1',
      time: change.at,
      subject: message.id,
      traceparent: message.traceparent,
      data,
    };
    return { topic: topics.messagingEvents.name, key: message.id, event };
  });
}

function providerSidAt(message: MessageHead, state: MessageStateChanged['state']): string | null {
  return state === 'accepted' || state === 'scheduled' || state === 'queued' ? null : message.providerSid;
}
