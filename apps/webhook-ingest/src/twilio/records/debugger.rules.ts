import type { TwilioDebuggerEvent } from '@signalbox/contracts';
import { parseJson } from '@signalbox/twilio';
import { type AuthenticCallback, missing, type Normalised, pick, toRecord, toTime } from './callback.rules.ts';

type DebuggerRecord = Normalised<TwilioDebuggerEvent, 'twilio.debugger.event.v1'>;

/**
 * An error or warning of the account: a Debugger webhook, whose Payload is JSON in a form, or an error log of Event Streams.
 * Source: https://www.twilio.com/docs/usage/troubleshooting/debugging-event-webhooks, …/docs/events/event-types/errors/error-logs
 */
export function normaliseDebuggerEvent(callback: AuthenticCallback): DebuggerRecord {
  const { params, stream } = callback;
  const sid = pick(params, 'Sid', 'sid');
  if (!sid) return missing('Sid');
  const level = pick(params, 'Level', 'level');
  if (!level) return missing('Level');
  const payload = readPayload(pick(params, 'Payload', 'payload'));
  const subject = payload.resourceSid ?? pick(params, 'correlation_sid', 'resource_sid') ?? null;
  return toRecord(callback, {
    type: 'twilio.debugger.event.v1',
    key: subject ?? sid,
    resourceSid: sid,
    status: level,
    providerTime: toTime(pick(params, 'Timestamp', 'TimeStamp', 'date_created')) ?? stream?.time ?? null,
    errorCode: payload.errorCode ?? pick(params, 'error_code'),
    occurrence: ['logged'],
    more: { level, subject },
  });
}

/**
 * An event of Event Streams that has no topic of its own: acknowledged, so kept, where operators look, under a level no
 * real error has.
 */
export function normaliseUnmappedEvent(callback: AuthenticCallback): DebuggerRecord {
  const { params, stream, accountSid } = callback;
  if (!stream) return missing('type');
  const subject = Object.entries(params).find(([name, value]) => isSidOf(name, value))?.[1];
  return toRecord(callback, {
    type: 'twilio.debugger.event.v1',
    key: typeof subject === 'string' ? subject : accountSid,
    resourceSid: stream.id,
    status: stream.type,
    providerTime: stream.time,
    errorCode: undefined,
    occurrence: ['unmapped'],
    more: { level: 'UNMAPPED', subject: typeof subject === 'string' ? subject : null },
  });
}

function isSidOf(name: string, value: unknown): boolean {
  return /sid$/i.test(name) && !/account_?sid$/i.test(name) && typeof value === 'string' && /^[A-Z]{2}\w+$/.test(value);
}

interface Payload {
  readonly resourceSid?: string;
  readonly errorCode?: string;
}

/** Whatever cannot be read of it still stands in `params`. */
function readPayload(text: string | undefined): Payload {
  const parsed = text === undefined ? undefined : parseJson(text);
  if (!parsed?.ok || typeof parsed.value !== 'object' || parsed.value === null) return {};
  const { resource_sid, error_code } = parsed.value as Record<string, unknown>;
  return {
    ...(typeof resource_sid === 'string' && resource_sid && { resourceSid: resource_sid }),
    ...((typeof error_code === 'string' || typeof error_code === 'number') && { errorCode: String(error_code) }),
  };
}
