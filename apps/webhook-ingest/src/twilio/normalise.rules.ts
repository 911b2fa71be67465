import type { CloudEvent, TwilioMessageReceived, TwilioMessageStatus } from '@signalbox/contracts';
import type { FormParams } from '@signalbox/twilio';

/** A callback whose sender is proven. */
export interface AuthenticCallback {
  readonly tenant: string;
  readonly accountSid: string;
  readonly params: FormParams;
  /** Our message id from the callback URL. */
  readonly messageId: string | null;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
}

export interface CallbackRecord<Data = unknown, Type extends string = string> {
  readonly key: string;
  readonly event: CloudEvent<Data, Type>;
}

/** `missing` names the parameter without which the callback says nothing. */
export type Normalised<Record extends CallbackRecord> =
  { readonly ok: true; readonly record: Record } | { readonly ok: false; readonly missing: string };

const source = '//signalbox/webhook-ingest';

/** Status callback of an outbound message. Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status */
export function normaliseMessageStatus(
  callback: AuthenticCallback,
): Normalised<CallbackRecord<TwilioMessageStatus, 'twilio.message.status.v1'>> {
  const { tenant, accountSid, params, messageId, receivedAt } = callback;
  const messageSid = first(params['MessageSid']) || first(params['SmsSid']);
  if (!messageSid) return { ok: false, missing: 'MessageSid' };
  // Not SmsStatus: it is the legacy name, and has been seen to disagree.
  const status = first(params['MessageStatus']);
  if (!status) return { ok: false, missing: 'MessageStatus' };
  const errorCode = first(params['ErrorCode']);
  return {
    ok: true,
    record: {
      key: messageId ?? messageSid,
      event: {
        id: occurrence(accountSid, messageSid, status, errorCode, first(params['EventType'])),
        source,
        type: 'twilio.message.status.v1',
        time: receivedAt,
        subject: messageSid,
        data: {
          accountSid,
          tenant,
          resourceSid: messageSid,
          correlationId: messageId,
          status,
          // RawDlrDoneDate is none: minutes only, and in the time zone of whichever carrier it was.
          providerTime: null,
          receivedAt,
          errorCode: toErrorCode(errorCode),
          params: params as TwilioMessageStatus['params'],
        },
      },
    },
  };
}

/** Inbound message. Source: https://www.twilio.com/docs/messaging/guides/webhook-request */
export function normaliseMessageReceived(
  callback: AuthenticCallback,
): Normalised<CallbackRecord<TwilioMessageReceived, 'twilio.message.received.v1'>> {
  const { tenant, accountSid, params, receivedAt } = callback;
  const messageSid = first(params['MessageSid']) || first(params['SmsMessageSid']) || first(params['SmsSid']);
  if (!messageSid) return { ok: false, missing: 'MessageSid' };
  const from = first(params['From']);
  if (!from) return { ok: false, missing: 'From' };
  const to = first(params['To']);
  if (!to) return { ok: false, missing: 'To' };
  const status = first(params['SmsStatus']) || 'received';
  return {
    ok: true,
    record: {
      key: from,
      event: {
        id: occurrence(accountSid, messageSid, status),
        source,
        type: 'twilio.message.received.v1',
        time: receivedAt,
        subject: messageSid,
        data: {
          accountSid,
          tenant,
          resourceSid: messageSid,
          correlationId: null,
          status,
          providerTime: null,
          receivedAt,
          errorCode: toErrorCode(first(params['ErrorCode'])),
          params: params as TwilioMessageReceived['params'],
          from,
          to,
          body: first(params['Body']) ?? null,
        },
      },
    },
  };
}

/**
 * What happened, as an id: the same for a provider's retry, in any replica, and for the same fact told over another
 * channel. An ErrorCode makes another occurrence of a status, and so does a channel's EventType.
 */
function occurrence(accountSid: string, sid: string, status: string, errorCode?: string, eventType?: string): string {
  return [accountSid, sid, status, errorCode ?? '', eventType ?? ''].map(encodeURIComponent).join('/');
}

function first(value: FormParams[string] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value;
}

function toErrorCode(text: string | undefined): number | null {
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}
