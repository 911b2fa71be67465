import { createHash } from 'node:crypto';
import type { EventOf, sendgridInboundCallbacks } from '@signalbox/contracts';
import { type CallbackRecord, type ReceiptContext, source } from '../event.ts';
import type { InboundEmail } from './email.ts';

export type SendgridInboundRecord = CallbackRecord<EventOf<typeof sendgridInboundCallbacks>>;

/**
 * The record of an inbound email. SendGrid gives a post no id, so it is the same email when Message-ID (else the content),
 * sender and recipients are the same: a retry has the same `ce_id`, and a copy to another of our addresses has its own.
 */
export function toInboundRecord(email: InboundEmail, { tenant, receivedAt }: ReceiptContext): SendgridInboundRecord {
  const { resourceSid, from, to } = email;
  const identity = JSON.stringify([tenant, 'received', resourceSid, from, [...to].sort()]);
  return {
    // A bounce has no sender; its recipient keeps its order.
    key: from || to[0] || resourceSid,
    event: {
      id: createHash('sha256').update(identity).digest('base64url'),
      source,
      type: 'sendgrid.email.received.v1',
      time: receivedAt,
      data: { tenant, receivedAt, ...email },
    },
  };
}
