import { channelName, countryOf, network } from './resources.ts';
import type { Attempt, Verification } from './verify-ledger.ts';

const PRODUCT = 'com.twilio.accountsecurity.verify';

interface Event {
  readonly specversion: '1.0';
  readonly type: string;
  readonly source: string;
  readonly time: string;
  readonly dataschema: string;
  readonly datacontenttype: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The whole life of a verification so far. Source: https://www.twilio.com/docs/verify/verification */
export function verificationEvent(verification: Verification, now: Date): Event {
  const { service, attempts, compared, verifiedAt } = verification;
  return event(verification, `verification.${verification.status.replaceAll('_', '-')}`, now, {
    schema: 'VerifyEventStreamEvent/3',
    data: {
      account_sid: verification.accountSid,
      service_sid: service.sid,
      verification_sid: verification.sid,
      friendly_name: service.friendlyName,
      custom_code_enabled: verification.customCode,
      custom_friendly_name: verification.customFriendlyName,
      created_at: iso(verification.createdAt),
      ...(verifiedAt === null ? {} : { verified_at: iso(verifiedAt) }),
      to: verification.to,
      verification_status: verification.status.toUpperCase(),
      country: countryOf(verification.to),
      code_length: verification.customCode ? null : verification.code.length,
      send_code_attempts: {
        count: attempts.length,
        attempts: attempts.map(({ createdAt, channel, sid, locale, tags }) => ({
          time: iso(createdAt),
          channel: channelName(channel),
          attempt_sid: sid,
          // Subscribers since April 2026 get no other: the message stream tells of deliveries.
          delivery_status: 'SENT',
          locale,
          ...(tags && { tags }),
        })),
      },
      check_attempts: {
        count: compared.length,
        attempts: compared.map(({ at, right }) => ({ time: iso(at), status: right ? 'SUCCESS' : 'FAILED' })),
      },
      expired_at: iso(verification.expiresAt),
    },
  });
}

const messageStatuses: Readonly<Record<string, string>> = {
  sent: 'SENT',
  delivered: 'DELIVERED',
  read: 'READ',
  undelivered: 'UNDELIVERED',
  failed: 'FAILED',
  'in-progress': 'SENT',
  completed: 'DELIVERED',
  'no-answer': 'UNDELIVERED',
};

/**
 * What became of a code on its way; undefined for email and for what has not left yet, of which the stream does not tell.
 * Source: https://www.twilio.com/docs/verify/message-status
 */
export function messageEvent(attempt: Attempt, now: Date): Event | undefined {
  const { verification, channel } = attempt;
  const status = messageStatuses[attempt.status];
  if (status === undefined || channel === 'email') return undefined;
  return event(verification, `message.${status.toLowerCase()}`, now, {
    schema: 'MessageStatusEvent/2',
    data: {
      created_at: iso(attempt.createdAt),
      account_sid: verification.accountSid,
      service_sid: verification.service.sid,
      verification_sid: verification.sid,
      attempt_sid: attempt.sid,
      error_code: attempt.errorCode === null ? '' : String(attempt.errorCode),
      channel: channelName(channel),
      message_status: status,
      has_fallback: false,
      is_fallback: false,
      ...network,
      to: verification.to,
      number_segments: 1,
      ...(attempt.tags && { tags: attempt.tags }),
    },
  });
}

function event(
  { accountSid, service, sid }: Verification,
  name: string,
  now: Date,
  { schema, data }: { schema: string; data: Event['data'] },
): Event {
  return {
    specversion: '1.0',
    type: `${PRODUCT}.${name}`,
    source: `/v1/Accounts/${accountSid}/Services/${service.sid}/Verifications/${sid}`,
    time: now.toISOString(),
    dataschema: `https://events-schemas.twilio.com/AccountSecurity.${schema}`,
    datacontenttype: 'application/json',
    data,
  };
}

const iso = (time: number): string => new Date(time).toISOString();
