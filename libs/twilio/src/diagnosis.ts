import { checkSignature, type SignedRequest } from './signature.ts';

/** Why a signature that has the right form is not right. */
export type SignatureDiagnosis =
  /** Right for another secret we know: a rotation half done, or another account's. */
  | { readonly cause: 'wrong_token' }
  /** Right for another URL than ours: what Twilio was given, or PUBLIC_BASE_URL, is not what it should be. */
  | { readonly cause: 'url_mismatch'; readonly signedUrl: string }
  | { readonly cause: 'forged' };

export interface Evidence {
  /** URLs the sender may have been given: of other base URLs, of the Host header. */
  readonly otherUrls: readonly string[];
  /** Secrets of other accounts, and of a scheme this endpoint is not configured for. */
  readonly otherSecrets: readonly string[];
}

/**
 * What is hashed at most, the ports and apostrophes that the check itself tries not counted: anybody can ask for a diagnosis,
 * with a body of their choice. Enough for a callback of Twilio's against the secrets of twenty accounts.
 */
const maxBytes = 8 * 1024 * 1024;
/** What an HMAC costs beside what it hashes. */
const hmacBytes = 256;

/**
 * Finds out what was wrong with a callback that has been refused. For logs and metrics only: no answer may depend on it.
 */
export function diagnoseSignature(request: SignedRequest, { otherUrls, otherSecrets }: Evidence): SignatureDiagnosis {
  const both = ['sha1', 'sha256'] as const;
  const bodyBytes = 'params' in request ? JSON.stringify(request.params).length : 0;
  let bytes = maxBytes;
  const matches = (url: string, authTokens: readonly string[]) => {
    bytes -= authTokens.length * (hmacBytes + url.length + bodyBytes);
    return bytes >= 0 && both.some((algorithm) => checkSignature({ ...request, url, authTokens, algorithm }).ok);
  };
  if (matches(request.url, otherSecrets) || matches(request.url, request.authTokens)) return { cause: 'wrong_token' };
  const secrets = [...request.authTokens, ...otherSecrets];
  const urls = new Set([request.url, ...otherUrls].flatMap(variants));
  for (const signedUrl of urls) if (matches(signedUrl, secrets)) return { cause: 'url_mismatch', signedUrl };
  return { cause: 'forged' };
}

/** What proxies and frameworks are known to do to a URL. The port is not among them: either is accepted anyway. */
function variants(url: string): string[] {
  const [, scheme = '', rest = ''] = /^(https?):\/\/(.*)$/.exec(url) ?? [];
  if (!rest) return [url];
  const [address = '', query] = splitOnce(rest, '?');
  const [host = '', path = ''] = splitOnce(address, '/');
  const addresses = [
    address,
    address.endsWith('/') ? address.slice(0, -1) : `${address}/`,
    // Doubled where a base URL ends in a slash and a path begins with one.
    `${host}//${path}`,
  ];
  const queries =
    query === undefined ? [''] : [`?${query}`, `?${query.split('&').sort().join('&')}`, `?${decoded(query)}`, ''];
  return [scheme, scheme === 'http' ? 'https' : 'http'].flatMap((one) =>
    addresses.flatMap((other) => queries.map((tail) => `${one}://${other}${tail}`)),
  );
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(query: string): string {
  try {
    return decodeURIComponent(query);
  } catch {
    return query;
  }
}
