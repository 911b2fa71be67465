import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type EmailConfig } from '../config.ts';
import type { Email } from '../email/email.ts';

/** Links that take the recipient of one email off the list: they name the email, not the person, and cannot be made up. */
@Injectable()
export class UnsubscribeLinks {
  readonly #base: string | undefined;
  readonly #keys: readonly string[];

  constructor(@Inject(CONFIG) config: Pick<EmailConfig, 'UNSUBSCRIBE_BASE_URL' | 'UNSUBSCRIBE_KEY'>) {
    this.#base = config.UNSUBSCRIBE_BASE_URL?.replace(/\/+$/, '');
    this.#keys = config.UNSUBSCRIBE_KEY ?? [];
  }

  /** Undefined where no base URL is configured. */
  urlOf({ id }: Pick<Email, 'id'>): string | undefined {
    const [key] = this.#keys;
    if (this.#base === undefined || key === undefined) return undefined;
    return `${this.#base}/unsubscribe/${id}.${sign(id, key)}`;
  }

  /** The id of the email a link was made for; undefined for one that is not ours. */
  emailOf(token: string): string | undefined {
    const [, id, signature] = /^([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})\.([\w-]{43})$/.exec(token) ?? [];
    if (id === undefined || signature === undefined || this.#base === undefined) return undefined;
    const isOurs = (key: string) => timingSafeEqual(Buffer.from(signature), Buffer.from(sign(id, key)));
    return this.#keys.some(isOurs) ? id : undefined;
  }
}

function sign(id: string, key: string): string {
  return createHmac('sha256', key).update(`unsubscribe ${id}`).digest('base64url');
}
