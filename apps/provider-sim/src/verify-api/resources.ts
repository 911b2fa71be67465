import { countryOfNumber } from '@signalbox/twilio';
import { type Template, templates } from './texts.rules.ts';
import type { Attempt, Bucket, RateLimit, Verification, VerifyService } from './verify-ledger.ts';

const ROOT = 'https://verify.twilio.com/v2';

/** ISO 8601 as Twilio's newer APIs write it: UTC, whole seconds. */
const iso = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`;

/** The resources in the shape of Twilio's OpenAPI description (`verify.v2.…`). */
export function serviceResource(service: VerifyService) {
  const url = `${ROOT}/Services/${service.sid}`;
  const { totp } = service;
  return {
    sid: service.sid,
    account_sid: service.accountSid,
    friendly_name: service.friendlyName,
    code_length: service.codeLength,
    lookup_enabled: service.lookupEnabled,
    psd2_enabled: service.psd2Enabled,
    skip_sms_to_landlines: service.skipSmsToLandlines,
    dtmf_input_required: service.dtmfInputRequired,
    tts_name: service.ttsName,
    do_not_share_warning_enabled: service.doNotShareWarningEnabled,
    custom_code_enabled: service.customCodeEnabled,
    push: { include_date: false, apn_credential_sid: null, fcm_credential_sid: null },
    totp: { issuer: totp.issuer, time_step: totp.timeStep, code_length: totp.codeLength, skew: totp.skew },
    default_template_sid: service.defaultTemplateSid,
    whatsapp: { msg_service_sid: null, from: null },
    passkeys: {
      relying_party: { id: null, name: null, origins: null },
      authenticator_attachment: null,
      discoverable_credentials: null,
      user_verification: null,
    },
    verify_event_subscription_enabled: service.verifyEventSubscriptionEnabled,
    date_created: iso(service.createdAt),
    date_updated: iso(service.updatedAt),
    url,
    links: {
      verification_checks: `${url}/VerificationCheck`,
      verifications: `${url}/Verifications`,
      rate_limits: `${url}/RateLimits`,
      messaging_configurations: `${url}/MessagingConfigurations`,
      entities: `${url}/Entities`,
      webhooks: `${url}/Webhooks`,
      access_tokens: `${url}/AccessTokens`,
      new_factors: `${url}/Passkeys/Factors`,
    },
  };
}

export function verificationResource(verification: Verification, lookup: object) {
  const { service, attempts } = verification;
  return {
    sid: verification.sid,
    service_sid: service.sid,
    account_sid: verification.accountSid,
    to: verification.to,
    channel: verification.channel,
    status: verification.status,
    valid: verification.status === 'approved',
    lookup,
    amount: verification.amount,
    payee: verification.payee,
    send_code_attempts: attempts.map(({ createdAt, channel, sid }) => ({
      time: new Date(createdAt).toISOString(),
      channel: channelName(channel),
      attempt_sid: sid,
    })),
    date_created: iso(verification.createdAt),
    date_updated: iso(verification.updatedAt),
    sna: null,
    url: `${ROOT}/Services/${service.sid}/Verifications/${verification.sid}`,
  };
}

export function checkResource(verification: Verification) {
  return {
    sid: verification.sid,
    service_sid: verification.service.sid,
    account_sid: verification.accountSid,
    to: verification.to,
    channel: verification.channel,
    status: verification.status,
    valid: verification.status === 'approved',
    amount: verification.amount,
    payee: verification.payee,
    date_created: iso(verification.createdAt),
    date_updated: iso(verification.updatedAt),
    sna_attempts_error_codes: null,
  };
}

export function attemptResource(attempt: Attempt) {
  const { verification, channel } = attempt;
  const delivery = channel === 'call' ? { call_status: attempt.status } : { message_status: attempt.status };
  return {
    sid: attempt.sid,
    account_sid: verification.accountSid,
    service_sid: verification.service.sid,
    verification_sid: verification.sid,
    date_created: iso(attempt.createdAt),
    date_updated: iso(attempt.updatedAt),
    conversion_status: attempt.converted ? 'converted' : 'unconverted',
    channel,
    price: { value: '0.0075', currency: 'usd' },
    channel_data: {
      verification_sid: verification.sid,
      to: verification.to,
      status: attempt.converted ? 'confirmed' : verification.status === 'expired' ? 'expired' : 'unconfirmed',
      ...delivery,
      error_code: attempt.errorCode === null ? null : String(attempt.errorCode),
      country: countryOf(verification.to),
      code_length: verification.code.length,
      locale: attempt.locale,
      ...(channel === 'email' ? {} : { ...network, carrier: 'Simulated Mobile' }),
    },
    url: `${ROOT}/Attempts/${attempt.sid}`,
  };
}

export function rateLimitResource(service: VerifyService, limit: RateLimit) {
  const url = `${ROOT}/Services/${service.sid}/RateLimits/${limit.sid}`;
  return {
    sid: limit.sid,
    service_sid: service.sid,
    account_sid: service.accountSid,
    unique_name: limit.uniqueName,
    description: limit.description,
    date_created: iso(limit.createdAt),
    date_updated: iso(limit.updatedAt),
    url,
    links: { buckets: `${url}/Buckets` },
  };
}

export function bucketResource(service: VerifyService, limit: RateLimit, bucket: Bucket) {
  return {
    sid: bucket.sid,
    rate_limit_sid: limit.sid,
    service_sid: service.sid,
    account_sid: service.accountSid,
    max: bucket.max,
    interval: bucket.interval,
    date_created: iso(bucket.createdAt),
    date_updated: iso(bucket.updatedAt),
    url: `${ROOT}/Services/${service.sid}/RateLimits/${limit.sid}/Buckets/${bucket.sid}`,
  };
}

const WRITTEN_AT = '2026-01-01T00:00:00Z';

export function templateResource(accountSid: string, template: Template) {
  return {
    sid: template.sid,
    account_sid: accountSid,
    friendly_name: template.friendlyName,
    channels: template.channels,
    translations: Object.fromEntries(
      Object.entries(template.translations).map(([locale, text]) => [
        locale,
        {
          is_default_translation: locale === 'en',
          status: 'approved',
          locale,
          text,
          date_updated: WRITTEN_AT,
          date_created: WRITTEN_AT,
        },
      ]),
    ),
  };
}

export const templatesOf = (name: string | undefined) =>
  templates.filter(({ friendlyName }) => name === undefined || friendlyName === name);

/** The one mobile network everybody is in. */
export const network = { mcc: '311', mnc: '480' };

export const countryOf = (to: string): string | null => (to.startsWith('+') ? (countryOfNumber(to) ?? null) : null);

/** Twilio writes channels of attempts in capitals, but for WhatsApp. */
export const channelName = (channel: string): string => (channel === 'whatsapp' ? channel : channel.toUpperCase());
