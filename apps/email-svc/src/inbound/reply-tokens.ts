import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Tenant } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';

/** An email's id and 12 bytes that prove it is ours. */
const tokenBytes = 28;

/** Digits of base 32 that hold them. */
const tokenLength = 45;

const tokenForm = new RegExp(`^([^@]+)\\+([0-9a-v]{${tokenLength}})@(.+)$`);

/**
 * Addresses that name the email they answer: `reply+<token>@parse.example.net`. Only its recipient is given one, and none can be
 * made up. In lower case and base 32, because mail servers may not keep upper case in a local part.
 */
@Injectable()
export class ReplyTokens {
  readonly #keys: readonly string[];

  constructor(@Inject(CONFIG) config: Pick<EmailConfig, 'REPLY_KEY'>) {
    this.#keys = config.REPLY_KEY ?? [];
  }

  /** Undefined where the tenant has no reply address, or no key is configured. */
  addressOf(tenant: Pick<Tenant, 'name' | 'sendgrid'>, emailId: string): string | undefined {
    const [local, domain] = tenant.sendgrid?.inboundParse?.replyAddress?.split('@') ?? [];
    const [key] = this.#keys;
    if (local === undefined || domain === undefined || key === undefined) return undefined;
    const bytes = Buffer.concat([bytesOf(emailId), proof(tenant.name, emailId, key)]);
    return `${local}+${toBase32(bytes)}@${domain}`;
  }

  /** The id of the email that an address was made for; undefined for any other address. */
  emailOf(tenant: Pick<Tenant, 'name' | 'sendgrid'>, address: string): string | undefined {
    const [, local, token, domain] = tokenForm.exec(address.trim().toLowerCase()) ?? [];
    if (token === undefined || `${local}@${domain}` !== tenant.sendgrid?.inboundParse?.replyAddress) return undefined;
    const bytes = fromBase32(token);
    if (!bytes) return undefined;
    const id = idOf(bytes.subarray(0, 16));
    const isOurs = (key: string) => timingSafeEqual(bytes.subarray(16), proof(tenant.name, id, key));
    return this.#keys.some(isOurs) ? id : undefined;
  }
}

function proof(tenant: string, emailId: string, key: string): Buffer {
  return createHmac('sha256', key).update(`reply ${tenant} ${emailId}`).digest().subarray(0, 12);
}

const bytesOf = (id: string) => Buffer.from(id.replaceAll('-', ''), 'hex');

function idOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function toBase32(bytes: Buffer): string {
  return BigInt(`0x${bytes.toString('hex')}`)
    .toString(32)
    .padStart(tokenLength, '0');
}

/** Undefined for a number that has more bytes. */
function fromBase32(digits: string): Buffer | undefined {
  let number = 0n;
  for (const digit of digits) number = number * 32n + BigInt(parseInt(digit, 32));
  const hex = number.toString(16).padStart(tokenBytes * 2, '0');
  return hex.length > tokenBytes * 2 ? undefined : Buffer.from(hex, 'hex');
}
