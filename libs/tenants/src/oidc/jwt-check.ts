import { counter, type Logger } from '@signalbox/telemetry';
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import { type Bearer, readClaims } from './claims.rules.ts';
import type { OidcIssuer } from './issuer.ts';
import { IssuerKeys, KeysUnavailable } from './issuer-keys.ts';

/** Why a token opens nothing, in words for its bearer. */
export interface TokenRefusal {
  readonly refused: string;
  /** It could not be told: when to come again. */
  readonly retryAfterSeconds?: number;
}

const checks = counter('signalbox_oidc_tokens_total', 'JWTs of OIDC issuers, by what became of them', [
  'issuer',
  'result',
]);

/** An issuer as configured, with its keys. */
export interface KnownIssuer {
  readonly config: OidcIssuer;
  readonly keys: IssuerKeys;
}

export function knownIssuer(config: OidcIssuer, log: () => Logger | undefined): KnownIssuer {
  return { config, keys: new IssuerKeys(config, log) };
}

/** Header, claims and signature; what is encrypted, or has no signature, is not taken. */
const jwtForm = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Checks a JWT: signed by the issuer it names, with an algorithm and for an audience configured for it, in time, and for a
 * tenant it may speak for. Undefined when it is no JWT of a known issuer; nothing is computed or fetched for it then.
 */
export async function checkJwt(
  token: string,
  issuers: ReadonlyMap<string, KnownIssuer>,
): Promise<Bearer | TokenRefusal | undefined> {
  const issuer = issuers.size > 0 && jwtForm.test(token) ? issuers.get(issuerOf(token) ?? '') : undefined;
  if (!issuer) return undefined;
  const { config, keys } = issuer;
  const [result, answer] = await verdict(token, config, keys);
  checks.inc({ issuer: config.issuer, result });
  return answer;
}

type Verdict = readonly [result: string, Bearer | TokenRefusal];

async function verdict(token: string, config: OidcIssuer, keys: IssuerKeys): Promise<Verdict> {
  let claims: JWTPayload;
  try {
    const verified = await jwtVerify(token, keys.find, {
      issuer: config.issuer,
      audience: config.audiences,
      algorithms: config.algorithms,
      clockTolerance: config.clockToleranceSeconds,
      requiredClaims: ['exp'],
    });
    claims = verified.payload;
  } catch (error) {
    if (error instanceof KeysUnavailable) {
      const { retryAfterSeconds } = keys;
      return ['keys_unavailable', { refused: 'The keys of its issuer cannot be had at present', retryAfterSeconds }];
    }
    const [result, refused] = faultOf(error);
    return [result, { refused }];
  }
  const bearer = readClaims(claims, config);
  return bearer ? ['accepted', bearer] : ['tenant', { refused: 'It names no tenant its issuer may speak for' }];
}

/** The issuer it claims; not proven. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function faultOf(error: unknown): [result: string, refused: string] {
  if (error instanceof errors.JWTExpired) return ['expired', 'It has expired'];
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf') return ['not_yet_valid', 'It is not valid yet'];
    if (error.claim === 'aud') return ['audience', 'It was made for another audience'];
    return ['claims', `Its claim ${error.claim} is not as it has to be`];
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return ['algorithm', 'Its algorithm is not taken here'];
  if (error instanceof errors.JWKSNoMatchingKey) return ['unknown_key', 'Its issuer has no such key'];
  if (error instanceof errors.JWSSignatureVerificationFailed) return ['forged', 'Its signature is wrong'];
  return ['malformed', 'It cannot be verified'];
}
