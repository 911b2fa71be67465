import { type Channel, channelOf, isE164, isSenderForm, numberOf } from './address.rules.ts';
import { magicRecipientError, magicSenderError } from './magic-numbers.rules.ts';

/** A form body: a repeated field is an array. */
export type Form = Record<string, string | string[] | undefined>;

/** What the rules need to know of the account. */
export interface SendingAccount {
  messagingServices: Record<string, string[]>;
  owns(sender: string): boolean;
}

export interface MessageRequest {
  to: string;
  channel: Channel;
  from: string | null;
  messagingServiceSid: string | null;
  body: string;
  mediaUrls: string[];
  contentSid: string | null;
  statusCallback: string | null;
  validityMs: number;
  sendAt: number | null;
}

export type Refusal = { ok: false; code: number; detail?: string };
export type Reading = { ok: true; request: MessageRequest } | Refusal;

const DEFAULT_VALIDITY_S = 36_000;
const MAX_BODY = 1600;
const MAX_MEDIA = 10;
const SCHEDULE_MIN_MS = 300_000;
const SCHEDULE_MAX_MS = 35 * 24 * 3_600_000;

/** Reads a create form, or says with which of Twilio's codes it is refused. `now` is in epoch milliseconds. */
export function readMessageRequest(form: Form, account: SendingAccount, now: number): Reading {
  const to = one(form.To) ?? '';
  const from = one(form.From) ?? null;
  const service = one(form.MessagingServiceSid) ?? null;
  const body = one(form.Body) ?? '';
  const mediaUrls = many(form.MediaUrl);
  const contentSid = one(form.ContentSid) ?? null;
  const statusCallback = one(form.StatusCallback) ?? null;
  const validity = one(form.ValidityPeriod);
  const sendAt = Date.parse(one(form.SendAt) ?? '');

  const refusal =
    checkRecipient(to) ??
    checkSender(from, service, to, account) ??
    checkContent(body, mediaUrls, contentSid, one(form.ContentVariables)) ??
    (statusCallback !== null && !isCallbackUrl(statusCallback) ? refuse(21609, statusCallback) : undefined) ??
    (validity !== undefined && !isValidityPeriod(validity) ? refuse(21624) : undefined) ??
    (form.ScheduleType === undefined ? undefined : checkSchedule(form.SendAt !== undefined, sendAt, service, now));
  if (refusal) return refusal;

  return {
    ok: true,
    request: {
      to,
      channel: channelOf(to),
      from,
      messagingServiceSid: service,
      body,
      mediaUrls,
      contentSid,
      statusCallback,
      validityMs: 1000 * (validity === undefined ? DEFAULT_VALIDITY_S : Number(validity)),
      sendAt: form.ScheduleType === undefined ? null : sendAt,
    },
  };
}

function checkRecipient(to: string): Refusal | undefined {
  if (to === '') return refuse(21604);
  const number = numberOf(to);
  if (!isE164(number)) return refuse(21211, to);
  const magic = magicRecipientError(number);
  return magic === undefined ? undefined : refuse(magic, to);
}

function checkSender(from: string | null, service: string | null, to: string, account: SendingAccount) {
  if (service !== null) {
    const pool = account.messagingServices[service];
    if (!pool) return refuse(21701, service);
    if (from === null) return pool.length === 0 ? refuse(21704, service) : undefined;
  }
  if (from === null || from === '') return refuse(21603);
  const sender = numberOf(from);
  const magic = magicSenderError(sender);
  if (magic !== undefined) return refuse(magic, from);
  if (!isSenderForm(sender)) return refuse(21212, from);
  if (from === to) return refuse(21266);
  if (channelOf(from) !== channelOf(to)) return refuse(21910);
  if (!account.owns(sender)) return refuse(channelOf(from) === 'whatsapp' ? 63007 : 21606, from);
  return undefined;
}

function checkContent(body: string, mediaUrls: string[], contentSid: string | null, variables: string | undefined) {
  if (contentSid !== null && !/^HX[0-9a-fA-F]{32}$/.test(contentSid)) return refuse(21655, contentSid);
  if (variables !== undefined && !isJsonObject(variables)) return refuse(21656);
  if (body === '' && mediaUrls.length === 0 && contentSid === null) return refuse(21602);
  if (body.length > MAX_BODY) return refuse(21617);
  if (mediaUrls.length > MAX_MEDIA) return refuse(21623);
  if (!mediaUrls.every((url) => httpUrl(url))) return refuse(21620);
  return undefined;
}

function checkSchedule(given: boolean, sendAt: number, service: string | null, now: number): Refusal | undefined {
  if (service === null) return refuse(35118);
  if (!given) return refuse(35111);
  if (Number.isNaN(sendAt)) return refuse(35114);
  return sendAt - now <= SCHEDULE_MIN_MS || sendAt - now > SCHEDULE_MAX_MS ? refuse(35115) : undefined;
}

const refuse = (code: number, detail?: string): Refusal => ({
  ok: false,
  code,
  ...(detail === undefined ? {} : { detail }),
});

const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);

function many(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function httpUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined;
}

/** Twilio refuses host names with an underscore. */
const isCallbackUrl = (text: string): boolean => httpUrl(text)?.hostname.includes('_') === false;

const isValidityPeriod = (text: string): boolean =>
  /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= DEFAULT_VALIDITY_S;

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
