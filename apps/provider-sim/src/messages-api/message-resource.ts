import type { Message } from '../ledger.ts';

export const API_VERSION = '2010-04-01';

/** The message in the shape of Twilio's API (`api.v2010.account.message` of its OpenAPI description). */
export function messageResource(message: Message) {
  const uri = `/${API_VERSION}/Accounts/${message.accountSid}/Messages/${message.sid}`;
  return {
    body: message.body,
    num_segments: String(message.segments),
    direction: message.direction,
    from: message.from,
    date_updated: rfc2822(message.updatedAt),
    price: null,
    error_message: message.errorCode === null ? null : `Error ${message.errorCode}`,
    uri: `${uri}.json`,
    account_sid: message.accountSid,
    num_media: String(message.mediaUrls.length),
    to: message.to,
    date_created: rfc2822(message.createdAt),
    status: message.status,
    sid: message.sid,
    date_sent: message.sentAt === null ? null : rfc2822(message.sentAt),
    messaging_service_sid: message.messagingServiceSid,
    error_code: message.errorCode,
    price_unit: 'USD',
    api_version: API_VERSION,
    subresource_uris: { media: `${uri}/Media.json` },
  };
}

/** RFC 2822 as Twilio writes it: in UTC, as `+0000`, without fractions of a second. */
export const rfc2822 = (time: number): string => new Date(time).toUTCString().replace('GMT', '+0000');
