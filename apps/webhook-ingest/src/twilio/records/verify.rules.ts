import type { TwilioVerificationEvent } from '@signalbox/contracts';
import { type AuthenticCallback, missing, type Normalised, pick, toRecord, toTime } from './callback.rules.ts';

/**
 * A factor or challenge from a Verify webhook (form or JSON), or a verification, attempt or message from Event Streams.
 * Source: https://www.twilio.com/docs/verify/api/webhooks, …/docs/verify/verify-events
 */
export function normaliseVerificationEvent(
  callback: AuthenticCallback,
): Normalised<TwilioVerificationEvent, 'twilio.verification.event.v1'> {
  const { params, stream } = callback;
  const eventType = stream?.type ?? pick(params, 'type', 'Type');
  if (!eventType) return missing('type');
  const resourceSid = pick(
    params,
    ...['verification_sid', 'challenge_sid', 'factor_sid'],
    ...['VerificationSid', 'ChallengeSid', 'FactorSid', 'sid', 'Sid'],
  );
  if (!resourceSid) return missing('factor_sid');
  const status =
    pick(params, 'verification_status', 'message_status', 'dlr_status', 'delivery_status', 'status', 'Status') ??
    eventType.slice(eventType.lastIndexOf('.') + 1);
  return toRecord(callback, {
    type: 'twilio.verification.event.v1',
    key: resourceSid,
    resourceSid,
    status,
    providerTime: stream?.time ?? toTime(pick(params, 'date_updated', 'timestamp', 'Timestamp')),
    errorCode: pick(params, 'error_code', 'ErrorCode'),
    // A verification is pending once per code sent, so its type alone would not tell the second from a repeat.
    occurrence: [eventType, stream?.id ?? pick(params, 'uuid', 'Uuid') ?? callback.digest()],
    more: { eventType },
  });
}
