import { describe, expect, it } from '@jest/globals';
import { enrolmentOf, newRecoveryCodes, newSecret, stepOf } from './authenticator.ts';
import { normalRecoveryCode } from './totp.rules.ts';

/** RFC 6238, appendix B, SHA-1; of its eight digits an authenticator shows the last six. */
const rfcSecret = Buffer.from('12345678901234567890');
const vectors = [
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
  [20_000_000_000, '65353130'],
] as const;

const at = (seconds: number) => new Date(seconds * 1000);

describe('codes', () => {
  it.each(vectors)('are those of RFC 6238 at %s', (seconds, code) => {
    const step = Math.floor(seconds / 30);
    expect(stepOf(rfcSecret, code.slice(2), at(seconds), 0)).toBe(step);
    expect(stepOf(rfcSecret, code.slice(2), at(seconds + 30), 0)).toBeNull();
    expect(stepOf(Buffer.from('12345678901234567891'), code.slice(2), at(seconds), 2)).toBeNull();
  });

  it.each([
    [0, [0]],
    [1, [-1, 0, 1]],
    [2, [-2, -1, 0, 1, 2]],
  ])('of a clock that is off are taken within a drift of %s', (drift, taken) => {
    const now = 1_234_567_890;
    const code = '005924';
    const accepted = [-3, -2, -1, 0, 1, 2, 3].filter(
      (off) => stepOf(rfcSecret, code, at(now - off * 30), drift) !== null,
    );
    expect(accepted).toEqual(taken);
    for (const off of taken) expect(stepOf(rfcSecret, code, at(now - off * 30), drift)).toBe(Math.floor(now / 30));
  });

  it.each(['', '12345', '1234567', 'abcdef', '００５９２４'])('of another form are wrong: %j', (code) => {
    expect(stepOf(rfcSecret, code, at(1_234_567_890), 1)).toBeNull();
  });
});

describe('an enrolment', () => {
  it('has what an authenticator reads', () => {
    const { uri, secret, qrCode } = enrolmentOf(rfcSecret, { issuer: 'Café & Söhne', account: 'a@example.com' });
    const parsed = new URL(uri);
    expect(parsed.protocol + parsed.host).toBe('otpauth:totp');
    expect(decodeURIComponent(parsed.pathname)).toBe('/Café & Söhne:a@example.com');
    expect(Object.fromEntries(parsed.searchParams)).toEqual({
      issuer: 'Café & Söhne',
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
    expect(secret).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
    const svg = Buffer.from(qrCode.replace('data:image/svg+xml;base64,', ''), 'base64').toString();
    expect(svg).toMatch(/^<svg .*<\/svg>$/s);
    expect(svg).not.toContain('<script');
  });

  it('has a secret of 160 bits, another each time', () => {
    const secrets = Array.from({ length: 50 }, () => newSecret().toString('hex'));
    expect(new Set(secrets).size).toBe(50);
    expect(secrets.every((secret) => secret.length === 40)).toBe(true);
  });
});

it('recovery codes differ, and are read however they are typed', () => {
  const codes = newRecoveryCodes();
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) {
    expect(normalRecoveryCode(code)).toBe(code);
    expect(normalRecoveryCode(` ${code.toLowerCase().replace('-', '')} `)).toBe(code);
  }
  expect(['123456', '', 'ABCDE-1234', 'ABCDE-FGHI0'].map(normalRecoveryCode)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
