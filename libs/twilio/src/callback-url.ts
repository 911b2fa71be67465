/** What a status callback URL says about the message it belongs to; the signature vouches for it. */
export interface CallbackReference {
  /** Our message id. */
  readonly messageId: string | null;
  /** W3C `traceparent` of the send. */
  readonly traceparent: string | undefined;
}

const path = '/twilio/sms/status';

/**
 * Connection overrides: by default Twilio retries a failed connection once and a 5xx never, so an outage of ours would
 * lose callbacks for good. Five retries on 5xx, connect time-out and read time-out. The fragment is neither sent nor signed.
 */
const overrides = '#rc=5&rp=5xx,ct,rt';

/** @param base checked by {@link publicBaseUrlFault} when the service starts */
export function statusCallbackUrl(
  base: string,
  { messageId, traceparent }: { messageId: string; traceparent?: string | undefined },
): string {
  const trace = traceparent ? `&traceparent=${traceparent}` : '';
  return `${base.replace(/\/+$/, '')}${path}?messageId=${messageId}${trace}${overrides}`;
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

/**
 * Reads back what {@link statusCallbackUrl} wrote; anything that does not have its form is left out.
 * @param target the raw request target, e.g. `/twilio/sms/status?messageId=…`
 */
export function readStatusCallback(target: string): CallbackReference {
  const messageId = queryValue(target, 'messageId');
  const traceparent = queryValue(target, 'traceparent');
  return {
    messageId: messageId !== undefined && uuid.test(messageId) ? messageId : null,
    traceparent: traceparent !== undefined && traceparentForm.test(traceparent) ? traceparent : undefined,
  };
}

/** Undecoded: neither a uuid nor a traceparent has anything to escape. */
function queryValue(target: string, name: string): string | undefined {
  const query = target.indexOf('?');
  if (query === -1) return undefined;
  for (const pair of target.slice(query + 1).split('&'))
    if (pair.startsWith(name) && pair[name.length] === '=') return pair.slice(name.length + 1);
  return undefined;
}
