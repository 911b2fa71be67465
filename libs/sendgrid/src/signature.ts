import { createHash, createPublicKey, createSign, createVerify, type KeyObject } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';

/** The headers, in lower case as Node has them. The Event Webhook and Inbound Parse use the same two. */
export const signatureHeaders = {
  signature: 'x-twilio-email-event-webhook-signature',
  timestamp: 'x-twilio-email-event-webhook-timestamp',
} as const;

export interface SignatureClaim {
  /** The timestamp header: Unix seconds, part of what is signed. */
  readonly timestamp: string | undefined;
  /** The signature header: base64 of a DER-encoded ECDSA signature. */
  readonly signature: string | undefined;
  /** PEM, or base64 of the SPKI as SendGrid shows it; tried in order. Two while a key is being rotated. */
  readonly publicKeys: readonly string[];
  /** Refuses what was signed longer ago. Off by default: SendGrid sends for a day until it gets a 2xx. */
  readonly window?: { readonly seconds: number; readonly now: Date };
}

export type SignatureFault = 'missing' | 'malformed' | 'too_old' | 'mismatch';

export type SignatureRefusal = { readonly ok: false; readonly why: SignatureFault };
export type SignatureCheck =
  | { readonly ok: true; /** Index in `publicKeys` of the one that matched. */ readonly keyIndex: number }
  | SignatureRefusal;

/** A check whose headers are in order and that waits for the body. */
export interface PendingSignatureCheck {
  readonly ok: true;
  update(chunk: Uint8Array): void;
  /** Once, after the last chunk. */
  finish(): SignatureCheck;
}

/**
 * Checks the signature of a SendGrid webhook: ECDSA on P-256 with SHA-256 over the timestamp header and the raw body.
 * The body has to be the bytes as they came: its line breaks do not survive a parse and a stringify.
 * Source: SendGrid, "Getting Started with the Event Webhook Security Features"; @sendgrid/eventwebhook 8.0.0.
 * @throws TypeError on a key that {@link publicKeyFault} would have told of
 */
export function checkEventSignature(request: SignatureClaim & { readonly rawBody: Uint8Array }): SignatureCheck {
  const { rawBody, publicKeys } = request;
  const check = start(request, publicKeys.length * (rawBody.length + verifyCost) <= recoverCost);
  if (!check.ok) return check;
  check.update(rawBody);
  return check.finish();
}

/** The same for a body that comes in chunks: it is hashed as they come, twice at most however many keys there are. */
export function startSignatureCheck(claim: SignatureClaim): PendingSignatureCheck | SignatureRefusal {
  return start(claim, false);
}

/** What one native verification and one computation of the key cost, in bytes that are hashed in the time. */
const verifyCost = 140_000;
const recoverCost = 8_000_000;

function start(claim: SignatureClaim, fewBytes: boolean): PendingSignatureCheck | SignatureRefusal {
  const { timestamp, signature, publicKeys, window } = claim;
  if (!timestamp || !signature) return { ok: false, why: 'missing' };
  const der = decodeSignature(signature);
  if (!der || !timestampForm.test(timestamp)) return { ok: false, why: 'malformed' };
  if (window && window.now.getTime() / 1000 - Number(timestamp) > window.seconds) return { ok: false, why: 'too_old' };
  const keys = publicKeys.map(parseKey);
  return fewBytes || keys.length <= 2 ? tryEach(keys, timestamp, der) : computeKey(keys, timestamp, der);
}

/** Node's own check takes no digest, only bytes, so that it hashes them once per key. */
function tryEach(keys: readonly ParsedKey[], timestamp: string, der: Buffer): PendingSignatureCheck {
  const attempts = keys.map(({ key }) => ({ key, verify: createVerify('sha256').update(timestamp) }));
  return {
    ok: true,
    update: (chunk) => attempts.forEach(({ verify }) => verify.update(chunk)),
    finish: () => verdict(attempts.findIndex(({ key, verify }) => verify.verify(key, der))),
  };
}

/**
 * Hashes once, and computes of digest and signature which keys can have made it (SEC 1, §4.1.6), so that an unproven sender
 * costs the same however many keys there are.
 */
function computeKey(keys: readonly ParsedKey[], timestamp: string, der: Buffer): PendingSignatureCheck {
  const hash = createHash('sha256').update(timestamp);
  return {
    ok: true,
    update: (chunk) => void hash.update(chunk),
    finish: () => {
      const digest = hash.digest();
      const possible = possibleSigners(der, digest);
      const index = keys.findIndex(({ point }) => possible.has(point));
      const matched = keys[index];
      const options = { prehash: false, format: 'der', lowS: false } as const;
      const proven = matched && p256.verify(der, digest, Buffer.from(matched.point, 'hex'), options);
      return verdict(proven ? index : -1);
    },
  };
}

function verdict(keyIndex: number): SignatureCheck {
  return keyIndex === -1 ? { ok: false, why: 'mismatch' } : { ok: true, keyIndex };
}

/** Points, as hex. Two in practice; the other two recovery ids are for one signature in 2^128. */
function possibleSigners(der: Buffer, digest: Buffer): ReadonlySet<string> {
  const points = new Set<string>();
  for (const recovery of [0, 1, 2, 3]) {
    try {
      points.add(p256.Signature.fromBytes(der, 'der').addRecoveryBit(recovery).recoverPublicKey(digest).toHex(false));
    } catch {
      // No key at all has made it in this way.
    }
  }
  return points;
}

/** Why this cannot be a key for signatures of SendGrid; undefined when it can. For the tenant file. */
export function publicKeyFault(text: string): string | undefined {
  try {
    parseKey(text);
    return undefined;
  } catch (error) {
    return error instanceof TypeError ? error.message : 'cannot be read';
  }
}

/** The signature header SendGrid would send. */
export function sign(message: {
  readonly rawBody: Uint8Array;
  readonly timestamp: string;
  readonly privateKey: KeyObject;
}): string {
  return createSign('sha256').update(message.timestamp).update(message.rawBody).sign(message.privateKey, 'base64');
}

/** Digits only: otherwise part of a body could be passed off as the end of the timestamp that is signed before it. */
const timestampForm = /^\d{10,13}$/;

/** P-256 in DER is a sequence of two integers, 72 bytes at most. */
function decodeSignature(text: string): Buffer | undefined {
  if (text.length > 96) return undefined;
  const der = Buffer.from(text, 'base64');
  // Node ignores what is not base64, so the text has to be what its bytes are written as.
  return der.toString('base64') === text && der[0] === 0x30 && der[1] === der.length - 2 ? der : undefined;
}

interface ParsedKey {
  readonly key: KeyObject;
  /** Uncompressed, in hex. */
  readonly point: string;
}

/** Keys come from configuration, so there are few, and parsing one costs more than using it. */
const parsedKeys = new Map<string, ParsedKey>();

function parseKey(text: string): ParsedKey {
  const known = parsedKeys.get(text);
  if (known) return known;
  let key: KeyObject;
  try {
    key = text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
  } catch {
    throw new TypeError('is neither PEM nor the base64 of a public key');
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new TypeError('is not a P-256 key');
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const point = `04${Buffer.from(x, 'base64url').toString('hex')}${Buffer.from(y, 'base64url').toString('hex')}`;
  const parsed = { key, point };
  parsedKeys.set(text, parsed);
  return parsed;
}
