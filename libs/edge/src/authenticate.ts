import type { Tenant } from '@signalbox/tenants';
import {
  checkSignature,
  diagnoseSignature,
  type FormFault,
  type FormParams,
  parseForm,
  type SignatureAlgorithm,
  type SignedContent,
} from '@signalbox/twilio';
import type { RefusalCause } from './refusals.ts';

export interface CallbackKind {
  /** Path, and label in metrics and logs; a tenant may have a shared key for it. */
  readonly route: string;
  /** Twilio's own parameters need not be among those of the form, so that it may name no account. */
  readonly freeForm?: boolean;
}

export interface UnverifiedCallback {
  readonly callback: CallbackKind;
  /** The public URL Twilio called, under each of the configured base URLs. */
  readonly urls: readonly [string, ...string[]];
  /** The form as text, JSON as bytes. */
  readonly body: string | Buffer;
  /** The `X-Twilio-Signature` header. */
  readonly signature: string | undefined;
}

export interface VerifiedCallback {
  readonly ok: true;
  /** Whose secret has signed it. */
  readonly signer: Tenant;
  readonly content: Content;
  /** The URL that was signed. */
  readonly url: string;
  /** Which of the signer's secrets matched, and of which kind it is. */
  readonly tokenIndex: number;
  readonly scheme: 'auth_token' | 'shared_key';
}

export type Content = { readonly params: FormParams } | { readonly json: Buffer };

export interface RefusedCallback {
  readonly ok: false;
  readonly cause: Extract<RefusalCause, 'missing_signature' | 'malformed' | 'unknown_account' | 'forged' | 'body_hash'>;
  readonly why: FormFault | 'missing' | 'unknown_account' | 'malformed' | 'mismatch' | 'body_hash';
  /** Claimed, not proven. */
  readonly accountSid: string | undefined;
  /** What would have had to sign it, and the content, where it came so far. */
  readonly candidates: readonly Tenant[];
  readonly content?: Content;
}

/** The tenants a callback may be of, by what it claims. */
export interface Accounts {
  readonly all: readonly Tenant[];
  byAccountSid(accountSid: string): Tenant | undefined;
}

/** Whose callback it is, proven by a secret of the account it names. */
export function authenticate(
  { callback, urls, body, signature }: UnverifiedCallback,
  tenants: Accounts,
): VerifiedCallback | RefusedCallback {
  const none = { accountSid: undefined, candidates: [] };
  // Before anything is parsed: most of what is not Twilio has no signature at all.
  if (!signature) return { ok: false, cause: 'missing_signature', why: 'missing', ...none };
  const content = readContent(body);
  if ('why' in content) return { ok: false, cause: 'malformed', why: content.why, ...none };

  const named = [...namedAccounts(content), ...queryAccounts(urls[0])];
  const [accountSid] = named;
  const known = named.map((sid) => tenants.byAccountSid(sid)).filter((tenant) => tenant !== undefined);
  const candidates =
    known.length > 0 || !namesAccountFreely(callback, content) ? known : affordable(tenants.all, content, urls);
  if (candidates.length === 0)
    return { ok: false, cause: 'unknown_account', why: 'unknown_account', accountSid, candidates, content };

  let why: RefusedCallback['why'] = 'mismatch';
  for (const signer of candidates) {
    const { secrets, algorithm, scheme } = secretsFor(signer, callback.route);
    for (const url of urls) {
      const check = checkSignature({ url, ...content, signature, authTokens: secrets, algorithm });
      if (check.ok) return { ok: true, signer, content, url, tokenIndex: check.tokenIndex, scheme };
      if (why !== 'body_hash') why = check.why;
    }
  }
  return { ok: false, cause: why === 'body_hash' ? why : 'forged', why, accountSid, candidates, content };
}

/**
 * What is hashed at most to find out whose a form is that names no account: anybody can send one. With a kilobyte it is tried
 * against a thousand tenants, at the largest size against eight.
 */
const maxUnnamedBytes = 8 * 1024 * 1024;
/** Two tokens, and the URL with its port and without. */
const hashesPerTenant = 4;

function affordable(all: readonly Tenant[], content: Content, urls: readonly string[]): readonly Tenant[] {
  // Of JSON the URL is signed, and nothing else is hashed before that proves right.
  if (!('params' in content)) return all;
  const perTenant = hashesPerTenant * urls.length * (256 + JSON.stringify(content.params).length);
  return all.slice(0, Math.max(1, Math.floor(maxUnnamedBytes / perTenant)));
}

/** Why a signature did not match, as far as that can be found out. Costs more than the check itself. */
export function diagnose(
  { cause, candidates, content }: RefusedCallback,
  { callback, urls, signature }: UnverifiedCallback,
  claimedUrls: readonly string[],
  tenants: Accounts,
): { readonly cause: RefusalCause; readonly signedUrl?: string } {
  if (cause !== 'forged' || !content) return { cause };
  const [first] = candidates;
  const own = first ? secretsFor(first, callback.route).secrets : [];
  const [url, ...others] = urls;
  return diagnoseSignature(
    { url, ...content, signature, authTokens: own },
    {
      otherUrls: [...others, ...claimedUrls],
      otherSecrets: tenants.all
        .slice(0, maxDiagnosed)
        .flatMap(({ twilio }) => [
          ...twilio.authTokens,
          ...(twilio.sharedKeys ?? []).flatMap(({ secrets }) => secrets),
        ]),
    },
  );
}

/** A diagnosis is a courtesy, and has to stay cheap. */
const maxDiagnosed = 20;

/**
 * Which secrets count on a route is for the tenant file to say. The header that names the scheme is the sender's, and would
 * let it choose the weaker one.
 */
function secretsFor(
  { twilio }: Tenant,
  route: string,
): {
  secrets: readonly string[];
  algorithm: SignatureAlgorithm;
  scheme: 'auth_token' | 'shared_key';
} {
  const pinned = twilio.sharedKeys?.find(({ routes }) => routes.includes(route));
  if (!pinned) return { secrets: twilio.authTokens, algorithm: 'sha1', scheme: 'auth_token' };
  const algorithm = pinned.algorithm === 'HMAC_SHA256' ? 'sha256' : 'sha1';
  return { secrets: pinned.secrets, algorithm, scheme: 'shared_key' };
}

function readContent(body: string | Buffer): (SignedContent & Content) | { readonly why: FormFault } {
  if (typeof body !== 'string') return { json: body };
  const form = parseForm(body);
  return form.ok ? { params: form.params } : { why: form.why };
}

const accountInJson = /"(?:account_?sid|parent_?account_?sid)"\s*:\s*"(AC[0-9a-f]{32})"/gi;

/** In the order in which they are to be believed; none is proven. JSON is searched and not parsed: it is still anybody's. */
function namedAccounts(content: Content): string[] {
  if ('params' in content) {
    const { AccountSid, account_sid, ParentAccountSid } = content.params;
    return [AccountSid ?? account_sid, ParentAccountSid].filter(
      (sid) => typeof sid === 'string' && sid !== '',
    ) as string[];
  }
  const found = new Set<string>();
  for (const [, sid = ''] of content.json.toString('latin1').matchAll(accountInJson)) {
    found.add(sid);
    if (found.size === 10) break;
  }
  return [...found];
}

/** A URL may name its account where the body cannot; signed with the rest of it. */
function queryAccounts(url: string): string[] {
  const sid = /[?&]accountSid=(AC[0-9a-f]{32})(?:&|$)/.exec(url)?.[1];
  return sid === undefined ? [] : [sid];
}

/** A sink of Event Streams has events of subaccounts, and test events of none; a flow's own request has what its author chose. */
function namesAccountFreely(callback: Pick<CallbackKind, 'freeForm'>, content: Content): boolean {
  return 'json' in content || callback.freeForm === true;
}

/**
 * The tenant on whose behalf a proven signer may tell something about an account: itself; a subaccount that is a tenant of
 * its own and names the signer as its parent; and for an account that is no tenant, the signer. Undefined: not its to tell.
 */
export function tenantOf(accountSid: string, signer: Tenant, tenants: Accounts): Tenant | undefined {
  if (accountSid === signer.twilio.accountSid) return signer;
  const other = tenants.byAccountSid(accountSid);
  if (!other) return signer;
  return other.twilio.parentAccountSid === signer.twilio.accountSid ? other : undefined;
}
