import { describe, expect, it, jest } from '@jest/globals';
import { generateKeyPairSync, Hash, Verify } from 'node:crypto';
import eventWebhook from '@sendgrid/eventwebhook';
import { dropped, signatureVectors } from './fixtures/signatures.ts';
import { checkEventSignature, publicKeyFault, sign, startSignatureCheck } from './signature.ts';

const keys = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey,
    base64: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
};
const current = keys();
const other = keys();
const rawBody = Buffer.from('[{"event":"open"}]\r\n');
const timestamp = '1764010000';
const signature = sign({ rawBody, timestamp, privateKey: current.privateKey });
const message = { rawBody, timestamp, signature };

const official = new eventWebhook.EventWebhook();
const officialVerdict = (publicKey: string, body: Buffer, given: string, at: string) =>
  official.verifySignature(official.convertPublicKeyToECDSA(publicKey), body, given, at);

describe("vectors of SendGrid's own libraries", () => {
  it.each(signatureVectors)('$label', ({ body, publicKey, valid, disagrees, ...headers }) => {
    const raw = Buffer.from(body);
    expect(checkEventSignature({ ...headers, rawBody: raw, publicKeys: [publicKey] }).ok).toBe(valid);
    expect(officialVerdict(publicKey, raw, headers.signature, headers.timestamp)).toBe(disagrees ? !valid : valid);
  });

  it('signs as the official library verifies', () => {
    expect(officialVerdict(current.base64, rawBody, signature, timestamp)).toBe(true);
  });
});

describe('checkEventSignature', () => {
  it.each([
    ['the only key', [current.base64], { ok: true, keyIndex: 0 }],
    ['a key in PEM', [current.pem], { ok: true, keyIndex: 0 }],
    ['the second of two, during a rotation', [other.base64, current.base64], { ok: true, keyIndex: 1 }],
    ['a key of somebody else', [other.base64], { ok: false, why: 'mismatch' }],
    ['no key at all', [], { ok: false, why: 'mismatch' }],
  ])('%s', (_label, publicKeys, expected) => {
    expect(checkEventSignature({ ...message, publicKeys })).toEqual(expected);
  });

  it.each([
    ['no signature', { signature: undefined }, 'missing'],
    ['no timestamp', { timestamp: undefined }, 'missing'],
    ['an empty timestamp', { timestamp: '' }, 'missing'],
    ['a signature that is not base64', { signature: '?'.repeat(96) }, 'malformed'],
    ['a signature that is not DER', { signature: Buffer.alloc(64).toString('base64') }, 'malformed'],
    ['a signature with a space behind it', { signature: `${signature} ` }, 'malformed'],
    ['a signature of which a part is missing', { signature: dropped.signature.slice(0, -4) }, 'malformed'],
    ['a huge signature', { signature: 'A'.repeat(100_000) }, 'malformed'],
    ['DER in form, without integers in it', { signature: Buffer.of(0x30, 2, 0, 0).toString('base64') }, 'mismatch'],
    ['a timestamp that is not digits', { timestamp: '1764010000.5' }, 'malformed'],
    ['another timestamp', { timestamp: '1764010001' }, 'mismatch'],
    ['one byte more', { rawBody: Buffer.concat([rawBody, Buffer.from('\n')]) }, 'mismatch'],
  ])('%s: refused', (_label, change, why) => {
    expect(checkEventSignature({ ...message, publicKeys: [current.base64], ...change })).toEqual({ ok: false, why });
  });

  it('does not take the beginning of a body for the end of the timestamp', () => {
    const moved = { timestamp: `${timestamp}[`, rawBody: rawBody.subarray(1) };
    expect(checkEventSignature({ ...message, ...moved, publicKeys: [current.base64] }).ok).toBe(false);
  });

  it('checks bytes, not text: a multipart body is not UTF-8', () => {
    const binary = Buffer.of(0xff, 0x00, 0xfe, 0x0d, 0x0a);
    const signed = { rawBody: binary, timestamp, publicKeys: [current.base64] };
    expect(checkEventSignature({ ...signed, signature: sign({ ...signed, privateKey: current.privateKey }) }).ok).toBe(
      true,
    );
  });

  it.each([
    ['a day later, without a window', undefined, true],
    ['within the window', 86_400, true],
    ['outside the window', 86_399, false],
  ])('%s', (_label, seconds, accepted) => {
    const now = new Date((Number(timestamp) + 86_400) * 1000);
    const window = seconds === undefined ? undefined : { seconds, now };
    expect(checkEventSignature({ ...message, publicKeys: [current.base64], ...(window && { window }) })).toEqual(
      accepted ? { ok: true, keyIndex: 0 } : { ok: false, why: 'too_old' },
    );
  });

  it('gives the same verdict chunk by chunk', () => {
    const check = startSignatureCheck({ ...dropped, publicKeys: [dropped.publicKey] });
    if (!check.ok) throw new Error(check.why);
    for (const byte of Buffer.from(dropped.body)) check.update(Buffer.of(byte));
    expect(check.finish()).toEqual({ ok: true, keyIndex: 0 });
  });
});

describe('among many keys', () => {
  const others = Array.from({ length: 40 }, () => keys().base64);
  /** So large that the keys are not tried one by one. */
  const large = Buffer.alloc(1024 * 1024, 'a');
  const signed = (body: Buffer) => ({
    rawBody: body,
    timestamp,
    signature: sign({ rawBody: body, timestamp, privateKey: current.privateKey }),
  });

  it.each([
    ['a small body, the last key', rawBody, [...others, current.base64], { ok: true, keyIndex: 40 }],
    ['a large body, the first key', large, [current.pem, ...others], { ok: true, keyIndex: 0 }],
    ['a large body, the last key', large, [...others, current.base64], { ok: true, keyIndex: 40 }],
    ['a large body, no key', large, others, { ok: false, why: 'mismatch' }],
  ])('%s', (_label, body, publicKeys, expected) => {
    expect(checkEventSignature({ ...signed(body), publicKeys })).toEqual(expected);
    const check = startSignatureCheck({ ...signed(body), publicKeys });
    if (!check.ok) throw new Error(check.why);
    check.update(body);
    expect(check.finish()).toEqual(expected);
  });

  it.each([
    ['two keys, which are tried one by one', 2, [others[0] ?? '', current.base64]],
    ['forty keys', 1, others],
  ])('%s: a large body is hashed %i times', (_label, times, publicKeys) => {
    const updates = [Hash, Verify].map(({ prototype }) => jest.spyOn(prototype, 'update'));
    try {
      checkEventSignature({ ...signed(large), publicKeys });
      const check = startSignatureCheck({ ...signed(large), publicKeys });
      if (!check.ok) throw new Error(check.why);
      check.update(large);
      check.finish();
      const passes = updates.flatMap(({ mock }) => mock.calls).filter(([data]: readonly unknown[]) => data === large);
      expect(passes).toHaveLength(2 * times);
    } finally {
      updates.forEach((update) => update.mockRestore());
    }
  });

  it('gives the verdict of a try with each, whatever is changed', () => {
    for (let run = 0; run < 30; run++) {
      const maker = keys();
      const body = Buffer.from(`body ${run}`);
      const made = sign({ rawBody: body, timestamp, privateKey: maker.privateKey });
      const changed = Buffer.from(made, 'base64');
      // In either of the integers, or what says how long they are.
      changed[2 + ((run * 7) % (changed.length - 2))]! ^= 1 + run;
      for (const [text, given] of [
        [body, made],
        [body, changed.toString('base64')],
        [Buffer.from('other'), made],
      ] as const) {
        const one = startSignatureCheck({ timestamp, signature: given, publicKeys: [maker.base64] });
        const many = startSignatureCheck({ timestamp, signature: given, publicKeys: [maker.base64, ...others] });
        if (!one.ok || !many.ok) throw new Error('the headers are in order');
        one.update(text);
        many.update(text);
        expect(many.finish()).toEqual(one.finish());
      }
    }
  });

  it("takes vectors of SendGrid's own libraries", () => {
    for (const { body, publicKey, valid, ...headers } of signatureVectors) {
      const check = startSignatureCheck({ ...headers, publicKeys: [...others, publicKey] });
      if (!check.ok) {
        expect(valid).toBe(false);
        continue;
      }
      check.update(Buffer.from(body));
      expect(check.finish().ok).toBe(valid);
    }
  });
});

describe('publicKeyFault', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' });
  it.each([
    ['base64', current.base64, undefined],
    ['PEM', current.pem, undefined],
    ['nothing', '', 'is neither PEM nor the base64 of a public key'],
    ['a word', 'secret', 'is neither PEM nor the base64 of a public key'],
    ['another curve', p384.toString(), 'is not a P-256 key'],
    [
      'Ed25519',
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      'is not a P-256 key',
    ],
  ])('%s', (_label, key, fault) => {
    expect(publicKeyFault(key)).toBe(fault);
  });

  it('tells of a key before a check throws on it', () => {
    expect(() => checkEventSignature({ ...message, publicKeys: ['secret'] })).toThrow(TypeError);
  });
});
