import { type CallStateChanged, type CloudEvent, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { Step } from './call.ts';

/** The events of a step, one per move; the id is the move's, so a consumer recognises a repeat. */
export function toEvents({ call, changes }: Step): OutgoingEvent[] {
  return changes.map((change) => {
    const data: CallStateChanged = {
      tenant: call.tenant,
      callId: call.id,
      idempotencyKey: call.idempotencyKey,
      sequence: change.sequence,
      state: change.to,
      previousState: change.from,
      at: change.at,
      to: call.to,
      from: call.from,
      provider: 'twilio',
      providerSid: change.providerSid,
      round: change.round,
      answeredBy: change.answeredBy,
      durationSeconds: change.durationSeconds,
      error: change.error,
      correlationId: call.request.correlationId ?? null,
      metadata: call.request.metadata,
    };
    const event: CloudEvent = {
      id: `${call.id}.${change.sequence}`,
      source: '//signalbox/voice-svc',
      type: 'voice.call.state-changed.v1',
      time: change.at,
      subject: call.id,
      traceparent: call.traceparent,
      data,
    };
    return { topic: topics.voiceEvents.name, key: call.id, event };
  });
}
