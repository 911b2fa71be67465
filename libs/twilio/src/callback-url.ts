/** What a callback URL says about what it belongs to; the signature vouches for it. */
export interface CallbackReference {
  /** Our id of the message, call, verification or execution. */
  readonly correlationId: string | null;
  /** W3C `traceparent` of the send. */
  readonly traceparent: string | undefined;
}

/**
 * Connection overrides: by default Twilio retries a failed connection once and a 5xx never, so an outage of ours would
 * lose callbacks for good. Five retries on 5xx, connect time-out and read time-out. The fragment is neither sent nor signed.
 */
const overrides = '#rc=5&rp=5xx,ct,rt';

/**
 * A caller is waiting for a document: it is asked for again at once, and not for longer than the 15 s Twilio waits in all. A
 * flow may ask a server of its own for 5 s before it answers.
 */
export const documentOverrides = '#rc=5&rp=5xx,ct,rt&ct=2000&rt=9000';

/** @param base checked by {@link publicBaseUrlFault} when the service starts */
export function statusCallbackUrl(
  base: string,
  { messageId, traceparent }: { messageId: string; traceparent?: string | undefined },
): string {
  return `${urlWithId(base, '/twilio/sms/status', 'messageId', messageId, traceparent)}${overrides}`;
}

/** Where progress, recordings and transcriptions of a call are told; of one that came in without an id of ours. */
export function voiceCallbackUrl(
  base: string,
  kind: 'status' | 'recording' | 'transcription',
  { callId, traceparent }: { callId: string | null; traceparent?: string | undefined },
): string {
  const path = `/twilio/voice/${kind}`;
  if (callId === null) return `${base.replace(/\/+$/, '')}${path}${overrides}`;
  return `${urlWithId(base, path, 'callId', callId, traceparent)}${overrides}`;
}

/** Where the TwiML of a flow comes from, for a call of ours. */
export function voiceFlowUrl(
  base: string,
  flow: string,
  { callId, traceparent }: { callId: string; traceparent?: string | undefined },
): string {
  const path = `/twilio/voice/twiml/${encodeURIComponent(flow)}`;
  return `${urlWithId(base, path, 'callId', callId, traceparent)}${documentOverrides}`;
}

function urlWithId(base: string, path: string, name: string, id: string, traceparent: string | undefined): string {
  const trace = traceparent ? `&traceparent=${traceparent}` : '';
  return `${base.replace(/\/+$/, '')}${path}?${name}=${id}${trace}`;
}

/** Why Twilio could not call back under this base URL; undefined when it can. */
export function publicBaseUrlFault(base: string): string | undefined {
  if (!URL.canParse(base)) return 'is not a URL';
  const url = new URL(base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be http or https';
  if (url.search || url.hash || /[?#]/.test(base)) return 'must have no query and no fragment';
  if (url.username || url.password)
    return 'must have no credentials: a receiver cannot see them, and they would be signed';
  if (url.hostname.includes('_')) return 'has an underscore in its host name, which Twilio refuses';
  return undefined;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The parameters that carry our id, by whose it is. */
const idParameters = new Set(['messageId', 'callId', 'verificationId', 'executionId']);

/**
 * Reads back what {@link statusCallbackUrl} and its like wrote; anything that does not have its form is left out.
 * @param target a URL, fragment and all, or a raw request target, e.g. `/twilio/sms/status?messageId=…`
 */
export function readStatusCallback(target: string): CallbackReference {
  let correlationId: string | null = null;
  let traceparent: string | undefined;
  const fragment = target.indexOf('#');
  const end = fragment === -1 ? target.length : fragment;
  // Undecoded: neither a uuid nor a traceparent has anything to escape.
  for (let at = target.indexOf('?'); at !== -1 && at < end; at = target.indexOf('&', at + 1)) {
    const next = target.indexOf('&', at + 1);
    const pairEnd = next === -1 || next > end ? end : next;
    const equals = target.indexOf('=', at);
    if (equals === -1 || equals > pairEnd) continue;
    const name = target.slice(at + 1, equals);
    const value = target.slice(equals + 1, pairEnd);
    if (idParameters.has(name)) correlationId ??= uuid.test(value) ? value : null;
    else if (name === 'traceparent') traceparent ??= traceparentForm.test(value) ? value : undefined;
  }
  return { correlationId, traceparent };
}
