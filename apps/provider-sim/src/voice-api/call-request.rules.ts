import { isE164 } from '../messages-api/address.rules.ts';
import type { Form, Refusal } from '../messages-api/message-request.rules.ts';
import type { CallEvent, CallSettings, DocumentSource } from './call.ts';

/** What the rules need to know of the account. */
export interface CallingAccount {
  owns(sender: string): boolean;
}

export interface CallRequest extends Omit<CallSettings, 'script'> {
  to: string;
  from: string;
}

export type CallReading = { ok: true; request: CallRequest } | Refusal;

const DEFAULT_RING_S = 60;
const MAX_RING_S = 600;
const MAX_CALL_S = 14_400;
const MAX_TWIML = 4_000;

/** Twilio's documented test inputs for calls. */
const magicRecipients = new Map([
  ['+15005550001', 21217],
  ['+15005550002', 21214],
  ['+15005550003', 21215],
  ['+15005550004', 21216],
]);

/** Reads a create form, or says with which of Twilio's codes it is refused. */
export function readCallRequest(form: Form, account: CallingAccount): CallReading {
  const to = one(form['To']) ?? '';
  const from = one(form['From']) ?? '';
  const source = readSource(form);
  const detection = one(form['MachineDetection']);
  const limits = { ring: whole(form['Timeout']), duration: whole(form['TimeLimit']) };
  const refusal =
    checkRecipient(to) ??
    checkCaller(from, account) ??
    (source === undefined ? refuse(21205, 'Url') : undefined) ??
    checkUrls(form) ??
    (many(form['StatusCallbackEvent']).every(isCallEvent) ? undefined : refuse(21626)) ??
    (detection === undefined || /^(Enable|DetectMessageEnd)$/.test(detection)
      ? undefined
      : refuse(20001, 'MachineDetection')) ??
    (Number.isNaN(limits.ring) ? refuse(20001, 'Timeout') : undefined) ??
    (Number.isNaN(limits.duration) ? refuse(20001, 'TimeLimit') : undefined);
  if (refusal || source === undefined) return refusal ?? refuse(21205);

  const events = many(form['StatusCallbackEvent']).filter(isCallEvent);
  return {
    ok: true,
    request: {
      to,
      from,
      source,
      fallbackUrl: one(form['FallbackUrl']) ?? null,
      statusCallback: one(form['StatusCallback']) ?? null,
      statusCallbackEvents: events.length > 0 ? events : ['completed'],
      ringSeconds: Math.min(limits.ring ?? DEFAULT_RING_S, MAX_RING_S),
      timeLimit: Math.min(limits.duration ?? MAX_CALL_S, MAX_CALL_S),
      machineDetection: (detection as 'Enable' | 'DetectMessageEnd' | undefined) ?? 'off',
      asyncAmdCallback: one(form['AsyncAmd']) === 'true' ? (one(form['AsyncAmdStatusCallback']) ?? null) : null,
      record: one(form['Record']) === 'true',
      recordingStatusCallback: one(form['RecordingStatusCallback']) ?? null,
    },
  };
}

/** Twiml counts above Url. */
export function readSource(form: Form): DocumentSource | undefined {
  const twiml = one(form['Twiml']);
  const url = one(form['Url']);
  if (twiml !== undefined) return twiml.length > MAX_TWIML ? undefined : { twiml };
  return url !== undefined && isHttpUrl(url) ? { url } : undefined;
}

function checkRecipient(to: string): Refusal | undefined {
  if (to === '') return refuse(21201);
  if (/^(sip|client):./.test(to)) return undefined;
  if (!isE164(to)) return refuse(21211, to);
  const magic = magicRecipients.get(to);
  return magic === undefined ? undefined : refuse(magic, to);
}

function checkCaller(from: string, account: CallingAccount): Refusal | undefined {
  if (from === '') return refuse(21213);
  if (from === '+15005550001' || !(isE164(from) || /^(sip|client):./.test(from))) return refuse(21212, from);
  return account.owns(from) ? undefined : refuse(21210, from);
}

function checkUrls(form: Form): Refusal | undefined {
  const fallback = one(form['FallbackUrl']);
  if (fallback !== undefined && !isHttpUrl(fallback)) return refuse(21205, 'FallbackUrl');
  for (const name of ['StatusCallback', 'RecordingStatusCallback', 'AsyncAmdStatusCallback']) {
    const url = one(form[name]);
    if (url !== undefined && !isHttpUrl(url)) return refuse(21609, name);
  }
  return undefined;
}

const callEvents: ReadonlySet<string> = new Set(['initiated', 'ringing', 'answered', 'completed']);
const isCallEvent = (text: string): text is CallEvent => callEvents.has(text);

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

/** NaN when it is no whole number. */
function whole(value: string | string[] | undefined): number | undefined {
  const text = one(value);
  if (text === undefined) return undefined;
  return /^\d{1,6}$/.test(text) ? Number(text) : NaN;
}

/** Twilio refuses host names with an underscore. */
function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && !url.hostname.includes('_');
}
