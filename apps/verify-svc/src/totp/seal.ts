import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** AES-256-GCM: 12 bytes of nonce (NIST SP 800-38D, 5.2.1.1), 16 of tag. */
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** Keys by their id; the first is the one new secrets are sealed with. */
export type KeyRing = ReadonlyMap<string, Buffer>;

/** A secret as it is stored. */
export interface Sealed {
  readonly keyId: string;
  /** Nonce, tag, ciphertext. */
  readonly bytes: Buffer;
}

/** What a secret belongs to: it opens for nothing else, so that no row can be given the secret of another. */
export interface Owner {
  readonly tenant: string;
  readonly factorId: string;
}

/** Seals with the current key. */
export function seal(ring: KeyRing, secret: Buffer, owner: Owner): Sealed {
  const [keyId, key] = currentKey(ring);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(bound(keyId, owner));
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
  return { keyId, bytes: Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]) };
}

/** @throws when its key is not there, or what is stored was not sealed with it for this owner */
export function open(ring: KeyRing, { keyId, bytes }: Sealed, owner: Owner): Buffer {
  const key = ring.get(keyId);
  if (!key) throw new Error(`a TOTP secret is sealed with the key ${keyId}, which is not among TOTP_KEYS`);
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(bound(keyId, owner));
  decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
}

/** Whether it should be sealed anew: its key has been replaced. */
export function isOutdated(ring: KeyRing, { keyId }: Sealed): boolean {
  return keyId !== currentKey(ring)[0];
}

function currentKey(ring: KeyRing): [string, Buffer] {
  const [current] = ring;
  if (!current) throw new Error('there is no key for TOTP secrets');
  return current;
}

function bound(keyId: string, { tenant, factorId }: Owner): Buffer {
  return Buffer.from(JSON.stringify(['totp', keyId, tenant, factorId]));
}
