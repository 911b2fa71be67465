import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { FlowState } from '../flow/session.state.ts';

/** Where a call is, in which flow: what has to be known to go on, whatever has become of the database. */
export interface Place {
  readonly flow: string;
  readonly version: number;
  readonly state: FlowState;
  /** Our id of the call, when it is one that we placed. */
  readonly callId: string | null;
}

/** A place whose variables were too large for a URL: they are in the session's row only. */
export interface Opened {
  readonly place: Place;
  readonly complete: boolean;
}

interface Keys {
  readonly cipher: KeyObject;
  readonly nonce: KeyObject;
}

/** Bytes of JSON; a URL of some 2,000 characters is the result. */
const maxBytes = 1400;

/**
 * A place as a part of a URL. Twilio's signature vouches for the URL; it is sealed besides because what callers press and say
 * must not be read in the logs of proxies. The key is made of the account's auth token: there is no other secret to rotate, and
 * one account cannot open another's. Sealing the same place gives the same text, so a repeated request gets the same document.
 */
export class StateSeal {
  readonly #keys = new Map<string, Keys>();

  /** @param callSid a place opens for its own call only */
  seal({ flow, version, state, callId }: Place, callSid: string, authToken: string): string {
    const { node, step, attempts, variables, consented, counts, ended, marked } = state;
    const head = [flow, version, node, step, attempts, consented ? 1 : 0, counts, ended ? 1 : 0, marked, callId ?? 0];
    let plain = Buffer.from(JSON.stringify([...head, variables]));
    if (plain.length > maxBytes) plain = Buffer.from(JSON.stringify([...head, null]));
    const { cipher: key, nonce: nonceKey } = this.#keysOf(authToken);
    const nonce = createHmac('sha256', nonceKey).update(callSid).update(plain).digest().subarray(0, 12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(callSid));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined: not made by us for this call, or with a token that is no longer known. */
  open(sealed: string, callSid: string, authTokens: readonly string[]): Opened | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < 30) return undefined;
    for (const token of authTokens) {
      const plain = this.#decrypt(bytes, callSid, token);
      if (plain) return read(plain);
    }
    return undefined;
  }

  #decrypt(bytes: Buffer, callSid: string, token: string): Buffer | undefined {
    const { cipher: key } = this.#keysOf(token);
    const nonce = bytes.subarray(0, 12);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(callSid));
    decipher.setAuthTag(bytes.subarray(-16));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  #keysOf(token: string): Keys {
    const known = this.#keys.get(token);
    if (known) return known;
    const derive = (purpose: string) =>
      createSecretKey(Buffer.from(hkdfSync('sha256', token, '', `signalbox flow state ${purpose}`, 32)));
    const keys = { cipher: derive('cipher'), nonce: derive('nonce') };
    // Tokens that were rotated away are not kept for ever.
    if (this.#keys.size > 1000) this.#keys.clear();
    this.#keys.set(token, keys);
    return keys;
  }
}

type Written = [
  flow: string,
  version: number,
  node: string,
  step: number,
  attempts: number,
  consented: 0 | 1,
  counts: Record<string, number>,
  ended: 0 | 1,
  marked: number,
  callId: string | 0,
  variables: Record<string, string> | null,
];

/** It was authenticated, so it has the form in which it was written. */
function read(plain: Buffer): Opened {
  const [flow, version, node, step, attempts, consented, counts, ended, marked, callId, variables] = JSON.parse(
    plain.toString(),
  ) as Written;
  const state: FlowState = {
    node,
    step,
    attempts,
    variables: variables ?? {},
    consented: consented === 1,
    counts,
    ended: ended === 1,
    marked,
  };
  return { place: { flow, version, state, callId: callId === 0 ? null : callId }, complete: variables !== null };
}
