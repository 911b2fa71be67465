import { randomInt } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { renderSVG } from 'uqr';
import { stepSeconds } from './totp.rules.ts';

/** Bytes of a secret: as many as SHA-1 gives, which RFC 4226, 4 recommends. */
const secretBytes = 20;

/** What every authenticator app does; Google's ignores any other algorithm, length or period. */
const form = { algorithm: 'SHA1', digits: 6, period: stepSeconds } as const;

export function newSecret(): Buffer {
  return Buffer.from(new Secret({ size: secretBytes }).bytes);
}

/** What the user's app is given: by QR code, as a link, or typed in. */
export interface Enrolment {
  readonly uri: string;
  /** Base32 */
  readonly secret: string;
  /** An SVG as a data URI. */
  readonly qrCode: string;
}

export function enrolmentOf(secret: Buffer, label: { issuer: string; account: string }): Enrolment {
  const totp = totpOf(secret, label);
  const uri = totp.toString();
  const svg = renderSVG(uri, { ecc: 'M', border: 4 });
  return {
    uri,
    secret: totp.secret.base32,
    qrCode: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`,
  };
}

/** The step whose code it is, compared in constant time; null when it is that of none within `drift` steps. */
export function stepOf(secret: Buffer, code: string, now: Date, drift: number): number | null {
  // The library throws at letters and digits that take more than a byte.
  if (!/^\d{6}$/.test(code)) return null;
  const delta = totpOf(secret).validate({ token: code, timestamp: now.getTime(), window: drift });
  return delta === null ? null : Math.floor(now.getTime() / 1000 / stepSeconds) + delta;
}

function totpOf(secret: Buffer, label: { issuer?: string; account?: string } = {}): TOTP {
  return new TOTP({
    ...form,
    secret: new Secret({ buffer: new Uint8Array(secret).buffer }),
    ...(label.issuer !== undefined && { issuer: label.issuer }),
    ...(label.account !== undefined && { label: label.account }),
  });
}

const recoveryAlphabet = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';

/** 50 bits each. */
export function newRecoveryCodes(count = 10): string[] {
  const five = () => Array.from({ length: 5 }, () => recoveryAlphabet[randomInt(recoveryAlphabet.length)]).join('');
  return Array.from({ length: count }, () => `${five()}-${five()}`);
}
