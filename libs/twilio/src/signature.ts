import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FormParams } from './form.ts';

/** Twilio's own scheme is HMAC-SHA1 with the auth token; a Webhook Rule with a shared key may say HMAC-SHA256. */
export type SignatureAlgorithm = 'sha1' | 'sha256';

export type SignedContent =
  /** Form parameters; `{}` for a request without a body. */
  | { readonly params: FormParams }
  /** The raw JSON body, vouched for by `bodySHA256` in the URL. */
  | { readonly json: Buffer | string };

export type SignedRequest = SignedContent & {
  /** The public URL exactly as Twilio was given it, query included, fragment not. */
  readonly url: string;
  /** The `X-Twilio-Signature` header. */
  readonly signature: string | undefined;
  /** Tried in order; two while a token is being rotated. */
  readonly authTokens: readonly string[];
  /** What this endpoint is configured for; never what the request claims. */
  readonly algorithm?: SignatureAlgorithm;
};

/** `body_hash`: the URL is signed, but its `bodySHA256` is absent or not that of the body. */
export type SignatureFault = 'missing' | 'malformed' | 'mismatch' | 'body_hash';

export type SignatureCheck =
  | { readonly ok: true; /** Index in `authTokens` of the one that matched. */ readonly tokenIndex: number }
  | { readonly ok: false; readonly why: SignatureFault };

const digestBytes = { sha1: 20, sha256: 32 } as const;

/**
 * Checks `X-Twilio-Signature`. Constant-time in the digest. Accepts what Twilio's back ends are known to vary, the
 * port and the escaping of an apostrophe, and nothing else: the URL is ours, so its case and encoding are what we said.
 * Source: Twilio, "Webhooks security"; twilio 6.2.0 `lib/webhooks`; the test vectors in fixtures/.
 */
export function checkSignature(request: SignedRequest): SignatureCheck {
  const { url, signature, authTokens, algorithm = 'sha1' } = request;
  if (!signature) return { ok: false, why: 'missing' };
  const given = Buffer.from(signature, 'base64');
  if (given.length !== digestBytes[algorithm] || given.toString('base64') !== signature)
    return { ok: false, why: 'malformed' };
  const suffix = 'params' in request ? canonicalParams(request.params) : '';
  for (const candidate of equivalentUrls(url)) {
    const tokenIndex = authTokens.findIndex((token) =>
      timingSafeEqual(createHmac(algorithm, token).update(candidate).update(suffix).digest(), given),
    );
    if (tokenIndex === -1) continue;
    if ('json' in request && !bodyHashMatches(url, request.json)) return { ok: false, why: 'body_hash' };
    return { ok: true, tokenIndex };
  }
  return { ok: false, why: 'mismatch' };
}

/** The `X-Twilio-Signature` Twilio would send; for JSON the URL has to carry `bodySHA256` already. */
export function sign(
  request: SignedContent & {
    readonly url: string;
    readonly authToken: string;
    readonly algorithm?: SignatureAlgorithm;
  },
): string {
  const suffix = 'params' in request ? canonicalParams(request.params) : '';
  return createHmac(request.algorithm ?? 'sha1', request.authToken)
    .update(request.url)
    .update(suffix)
    .digest('base64');
}

/** One form is checked with several tokens, URLs and accounts; sorting it costs as much as hashing it. */
const canonical = new WeakMap<FormParams, string>();

function canonicalParams(params: FormParams): string {
  const known = canonical.get(params);
  if (known !== undefined) return known;
  const text = joinParams(params);
  canonical.set(params, text);
  return text;
}

/** Names sorted, each followed by its value; values of a repeated name without duplicates, sorted, each after the name. */
function joinParams(params: FormParams): string {
  let text = '';
  for (const name of Object.keys(params).sort()) {
    const value = params[name] ?? '';
    if (typeof value === 'string') text += name + value;
    else for (const one of [...new Set(value)].sort()) text += name + one;
  }
  return text;
}

/** Lazily, the URL as given first: that is the one that matches in practice. */
function* equivalentUrls(url: string): Generator<string> {
  yield url;
  const ported = togglePort(url);
  if (ported !== url) yield ported;
  const requoted = toggleApostrophe(url);
  if (requoted === url) return;
  yield requoted;
  const both = togglePort(requoted);
  if (both !== requoted) yield both;
}

const urlParts = /^(https?|wss?)(:\/\/(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/?#:]*))(:\d+)?([^]*)$/i;

/** With a port: without it. Without: with the scheme's own. */
function togglePort(url: string): string {
  const parts = urlParts.exec(url);
  if (!parts) return url;
  const [, scheme = '', host = '', port, rest = ''] = parts;
  const secure = /s$/i.test(scheme);
  return scheme + host + (port ? '' : secure ? ':443' : ':80') + rest;
}

/** Some of Twilio's clients escape the apostrophe in a query before they sign, some after. */
function toggleApostrophe(url: string): string {
  const query = url.indexOf('?');
  if (query === -1) return url;
  const tail = url.slice(query);
  return url.slice(0, query) + (tail.includes("'") ? tail.replaceAll("'", '%27') : tail.replaceAll('%27', "'"));
}

function bodyHashMatches(url: string, json: Buffer | string): boolean {
  const claimed = /[?&]bodySHA256=([0-9a-f]{64})(?:&|$)/.exec(url)?.[1];
  if (!claimed) return false;
  return timingSafeEqual(Buffer.from(claimed, 'hex'), createHash('sha256').update(json).digest());
}
