import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type VerifyConfig } from './config.ts';

/** Stands for what has to be recognised and not to be read: without the key it cannot be guessed, however few values there are. */
@Injectable()
export class KeyedHash {
  readonly #key: string;

  constructor(@Inject(CONFIG) config: Pick<VerifyConfig, 'HASH_KEY'>) {
    this.#key = config.HASH_KEY;
  }

  /** @param what keeps the same value apart in different roles */
  of(
    what: 'recipient' | 'subject' | 'ip' | 'tenant' | 'code' | 'recovery_code' | 'request',
    ...parts: readonly string[]
  ): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([what, ...parts]))
      .digest('base64url');
  }

  /** Whether one of the hashes is that of these parts; takes as long whichever it is. */
  isOneOf(hashes: readonly string[], what: 'code', ...parts: readonly string[]): boolean {
    const wanted = Buffer.from(this.of(what, ...parts));
    let found = false;
    for (const hash of hashes) found = isSame(wanted, Buffer.from(hash)) || found;
    return found;
  }
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
