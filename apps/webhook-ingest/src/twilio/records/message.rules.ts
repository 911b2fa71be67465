import type { TwilioMessageReceived, TwilioMessageStatus } from '@signalbox/contracts';
import {
  type AuthenticCallback,
  errorPart,
  missing,
  type Normalised,
  pick,
  toRecord,
  toTime,
} from './callback.rules.ts';

/** Status callback of an outbound message. Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status */
export function normaliseMessageStatus(
  callback: AuthenticCallback,
): Normalised<TwilioMessageStatus, 'twilio.message.status.v1'> {
  const { params, correlationId, stream } = callback;
  const messageSid = pick(params, 'MessageSid', 'SmsSid');
  if (!messageSid) return missing('MessageSid');
  // Not SmsStatus: it is the legacy name, and has been seen to disagree.
  const word = pick(params, 'MessageStatus');
  if (!word) return missing('MessageStatus');
  // Event Streams writes in capitals what callbacks write small.
  const status = stream ? word.toLowerCase() : word;
  const errorCode = pick(params, 'ErrorCode');
  const eventType = pick(params, 'EventType') ?? '';
  return toRecord(callback, {
    type: 'twilio.message.status.v1',
    key: correlationId ?? messageSid,
    resourceSid: messageSid,
    status,
    // RawDlrDoneDate is none: minutes only, and in the time zone of whichever carrier it was.
    providerTime: stream ? (toTime(pick(params, 'Timestamp')) ?? stream.time) : null,
    errorCode,
    // A channel's EventType makes another occurrence, unless it only repeats the status, as READ does.
    occurrence: [status, errorPart(errorCode), eventType.toLowerCase() === status ? '' : eventType],
    more: {},
  });
}

/** Inbound message. Source: https://www.twilio.com/docs/messaging/guides/webhook-request */
export function normaliseMessageReceived(
  callback: AuthenticCallback,
): Normalised<TwilioMessageReceived, 'twilio.message.received.v1'> {
  const { params, stream } = callback;
  const messageSid = pick(params, 'MessageSid', 'SmsMessageSid', 'SmsSid');
  if (!messageSid) return missing('MessageSid');
  const from = pick(params, 'From');
  if (!from) return missing('From');
  const to = pick(params, 'To');
  if (!to) return missing('To');
  const status = pick(params, 'SmsStatus') ?? 'received';
  const body = params['Body'];
  return toRecord(
    { ...callback, correlationId: null },
    {
      type: 'twilio.message.received.v1',
      key: from,
      resourceSid: messageSid,
      status,
      providerTime: stream ? (toTime(pick(params, 'Timestamp')) ?? stream.time) : null,
      errorCode: pick(params, 'ErrorCode'),
      occurrence: [status],
      more: { from, to, body: (typeof body === 'object' ? body[0] : body) ?? null },
    },
  );
}
