import { type Topic, topics } from '@signalbox/contracts';
import { type FormParams, readStatusCallback } from '@signalbox/twilio';
import { type AuthenticCallback, type Normalise, toTime } from './callback.rules.ts';
import { normaliseDebuggerEvent, normaliseUnmappedEvent } from './debugger.rules.ts';
import { normaliseMessageReceived, normaliseMessageStatus } from './message.rules.ts';
import { normaliseStudioEvent } from './studio.rules.ts';
import { normaliseVerificationEvent } from './verify.rules.ts';
import { normaliseCallStatus, normaliseRecordingStatus, normaliseTranscription } from './voice.rules.ts';

/** An event of Event Streams as far as it is needed to know whose it is and what becomes of it. */
export interface StreamEvent {
  readonly topic: Topic;
  readonly normalise: Normalise;
  /** Whether any topic is meant for it. */
  readonly mapped: boolean;
  /** Undefined where the event names none: it is the signer's. */
  readonly accountSid: string | undefined;
  readonly callback: Pick<AuthenticCallback, 'params' | 'correlationId' | 'stream'>;
}

type Fields = Readonly<Record<string, unknown>>;

interface Mapping {
  readonly topic: Topic;
  readonly normalise: Normalise;
  /** As the webhook of the same occurrence has them, because a consumer sees whichever comes first. */
  readonly params: (data: Fields) => FormParams;
  /** The callback URL that was set for the resource, which carries our id. */
  readonly callbackUrl?: (data: Fields) => unknown;
}

const asIs = (data: Fields) => toParams(data, (name) => name);
const asForm = (data: Fields) => toParams(data, (name) => name.charAt(0).toUpperCase() + name.slice(1));

const messageStatus: Mapping = {
  topic: topics.twilioMessageCallbacks,
  normalise: normaliseMessageStatus,
  params: asForm,
  callbackUrl: (data) => data['statusCallBackUrl'] ?? data['statusCallbackUrl'],
};

/** By the beginning of the event's type. Source: https://www.twilio.com/docs/events/event-types-overview */
const mappings: readonly (readonly [string, (data: Fields, type: string) => Mapping | undefined])[] = [
  ['com.twilio.messaging.message.', () => messageStatus],
  [
    'com.twilio.messaging.inbound-message.',
    () => ({ topic: topics.twilioInboundCallbacks, normalise: normaliseMessageReceived, params: asForm }),
  ],
  ['com.twilio.voice.', voice],
  [
    'com.twilio.accountsecurity.verify.',
    () => ({ topic: topics.twilioVerifyCallbacks, normalise: normaliseVerificationEvent, params: asIs }),
  ],
  [
    'com.twilio.studio.',
    () => ({ topic: topics.twilioStudioCallbacks, normalise: normaliseStudioEvent, params: asIs }),
  ],
  [
    'com.twilio.error-logs.',
    () => ({ topic: topics.twilioDebuggerCallbacks, normalise: normaliseDebuggerEvent, params: asIs }),
  ],
];

const unmapped: Mapping = { topic: topics.twilioDebuggerCallbacks, normalise: normaliseUnmappedEvent, params: asIs };

/** @returns undefined when it is no CloudEvent of Twilio's at all */
export function readStreamEvent(event: unknown): StreamEvent | undefined {
  if (!isFields(event)) return undefined;
  const { id, type, data, time } = event;
  if (typeof id !== 'string' || id === '' || typeof type !== 'string' || type === '' || !isFields(data))
    return undefined;
  const mapping = mappings.find(([prefix]) => type.startsWith(prefix))?.[1](data, type) ?? unmapped;
  const params = mapping.params(data);
  const url = mapping.callbackUrl?.(data);
  return {
    topic: mapping.topic,
    normalise: mapping.normalise,
    mapped: mapping !== unmapped,
    accountSid: accountOf(data) ?? accountOf(requestParameters(data)),
    callback: {
      params,
      correlationId: typeof url === 'string' ? readStatusCallback(url).correlationId : null,
      stream: { id, type, time: timeOf(time, type, data) },
    },
  };
}

/** Voice events tell of the webhook request itself, parameters included: they are what the webhook has said. */
function voice(data: Fields, type: string): Mapping | undefined {
  const parameters = { ...callOf(data, type), ...toParams(requestParameters(data), pascal) };
  const kinds: [string, Normalise][] = [
    ['TranscriptionSid', normaliseTranscription],
    ['RecordingSid', normaliseRecordingStatus],
    ['CallSid', normaliseCallStatus],
    ['ConferenceSid', normaliseCallStatus],
  ];
  const callback = {
    params: parameters,
    tenant: '',
    accountSid: '',
    correlationId: null,
    receivedAt: '',
    digest: () => '',
  };
  // The completed call of a recording names the recording as well, so the kind is the first that makes sense of it.
  const normalise = kinds.find(([sid, of]) => parameters[sid] !== undefined && of(callback).ok)?.[1];
  if (!normalise) return undefined;
  const { request } = data;
  return {
    topic: topics.twilioCallCallbacks,
    normalise,
    params: () => parameters,
    callbackUrl: () => (isFields(request) ? request['url'] : undefined),
  };
}

/** What an event of a call's progress says where it leaves the parameters out, as Twilio's own examples do. */
function callOf(data: Fields, type: string): FormParams {
  const progress = /\.status-callback\.call\.([\w-]+)$/.exec(type)?.[1];
  const sid = data['sid'];
  if (progress === undefined || typeof sid !== 'string') return {};
  return { CallSid: sid, CallStatus: progress === 'answered' ? 'in-progress' : progress };
}

function requestParameters(data: Fields): Fields {
  const request = data['request'];
  const parameters = isFields(request) ? request['parameters'] : undefined;
  return isFields(parameters) ? parameters : {};
}

function accountOf(data: Fields): string | undefined {
  const account = data['accountSid'] ?? data['account_sid'] ?? data['AccountSid'];
  return typeof account === 'string' ? account : undefined;
}

/** When it happened. A verification carries its whole life, so that it was created is when it happened only at first. */
function timeOf(time: unknown, type: string, data: Fields): string | null {
  const isLater = type.includes('.verify.verification.') && !type.endsWith('.pending');
  const candidates = [time, data['timestamp'], data['date_updated'], data['verified_at']];
  if (!isLater) candidates.push(data['date_created'], data['created_at']);
  for (const candidate of candidates) {
    const read = typeof candidate === 'string' ? toTime(candidate) : null;
    if (read !== null) return read;
  }
  return null;
}

/** Fields as if a form had carried them: what is no text as its JSON, nothing as an empty value. */
export function toParams(fields: Fields, rename: (name: string) => string = (name) => name): FormParams {
  const params = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of Object.entries(fields)) params[rename(name)] = toParam(value);
  return params;
}

function toParam(value: unknown): string | string[] {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')) return value;
  return JSON.stringify(value);
}

/** `call_sid` and `CallSid` are both documented for these parameters. */
function pascal(name: string): string {
  if (/^[A-Z]/.test(name)) return name;
  return name.replace(/(?:^|_)([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
