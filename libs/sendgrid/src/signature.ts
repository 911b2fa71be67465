import { createPublicKey, createSign, createVerify, type KeyObject } from 'node:crypto';

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
  const check = startSignatureCheck(request);
  if (!check.ok) return check;
  check.update(request.rawBody);
  return check.finish();
}

/** The same for a body that comes in chunks: it is hashed as they come, once per key. */
export function startSignatureCheck(claim: SignatureClaim): PendingSignatureCheck | SignatureRefusal {
  const { timestamp, signature, publicKeys, window } = claim;
  if (!timestamp || !signature) return { ok: false, why: 'missing' };
  const der = decodeSignature(signature);
  if (!der || !timestampForm.test(timestamp)) return { ok: false, why: 'malformed' };
  if (window && window.now.getTime() / 1000 - Number(timestamp) > window.seconds) return { ok: false, why: 'too_old' };
  const attempts = publicKeys.map((text) => ({
    key: parseKey(text),
    verify: createVerify('sha256').update(timestamp),
  }));
  return {
    ok: true,
    update: (chunk) => attempts.forEach(({ verify }) => verify.update(chunk)),
    finish: () => {
      const keyIndex = attempts.findIndex(({ key, verify }) => verify.verify(key, der));
      return keyIndex === -1 ? { ok: false, why: 'mismatch' } : { ok: true, keyIndex };
    },
  };
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

/** Keys come from configuration, so there are few, and parsing one costs more than using it. */
const parsedKeys = new Map<string, KeyObject>();

function parseKey(text: string): KeyObject {
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
  parsedKeys.set(text, key);
  return key;
}
