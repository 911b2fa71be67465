import { type VerificationStateChanged, type CloudEvent, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import type { Step } from './verification.ts';

/** The events of a step, one per move; the id is the move's, so a consumer recognises a repeat. */
export function toEvents({ verification, changes }: Step): OutgoingEvent[] {
  return changes.map((change) => {
    const { request, plan, position, lastSentAt, serviceSid } = verification;
    const channel = plan[position]?.channel ?? null;
    // An authenticator has its code without our sending it.
    const isSent = lastSentAt !== null || serviceSid === null;
    const data: VerificationStateChanged = {
      tenant: verification.tenant,
      verificationId: verification.id,
      idempotencyKey: verification.idempotencyKey,
      sequence: change.sequence,
      state: change.to,
      previousState: change.from,
      at: change.at,
      to: verification.recipient,
      channel: isSent && change.from !== null ? channel : null,
      purpose: request.purpose,
      subject: request.subject,
      expiresAt: verification.expiresAt,
      provider: 'twilio',
      providerSid: change.from === null ? null : verification.providerSid,
      error: change.error,
      metadata: request.metadata,
    };
    const event: CloudEvent = {
      id: `${verification.id}.${change.sequence}`,
      source: '//signalbox/verify-svc',
      type: 'verify.verification.state-changed.v1',
      time: change.at,
      subject: verification.id,
      data,
    };
    return { topic: topics.verifyEvents.name, key: verification.id, event };
  });
}
