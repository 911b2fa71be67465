import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { totpKeys } from './keys.ts';
import { isOutdated, type KeyRing, open, seal } from './seal.ts';

const keyA = randomBytes(32);
const keyB = randomBytes(32);
const ring = (...entries: [string, Buffer][]): KeyRing => new Map(entries);
const owner = { tenant: 'demo', factorId: '019a0000-0000-7000-8000-000000000001' };
const secret = Buffer.from('12345678901234567890');

describe('a sealed secret', () => {
  it('opens for its owner, also when a newer key has come', () => {
    const sealed = seal(ring(['a', keyA]), secret, owner);
    expect(sealed.bytes.includes(secret)).toBe(false);
    expect(open(ring(['a', keyA]), sealed, owner)).toEqual(secret);
    const rotated = ring(['b', keyB], ['a', keyA]);
    expect(open(rotated, sealed, owner)).toEqual(secret);
    expect([isOutdated(ring(['a', keyA]), sealed), isOutdated(rotated, sealed)]).toEqual([false, true]);
    expect(seal(rotated, secret, owner).keyId).toBe('b');
  });

  it('is another each time', () => {
    const once = seal(ring(['a', keyA]), secret, owner);
    expect(seal(ring(['a', keyA]), secret, owner).bytes.equals(once.bytes)).toBe(false);
  });

  it.each<[string, KeyRing, typeof owner]>([
    ['another tenant', ring(['a', keyA]), { ...owner, tenant: 'other' }],
    ['another factor', ring(['a', keyA]), { ...owner, factorId: '019a0000-0000-7000-8000-000000000002' }],
    ['another key of the same name', ring(['a', keyB]), owner],
    ['a ring without its key', ring(['b', keyA]), owner],
  ])('does not open for %s', (_label, keys, who) => {
    const sealed = seal(ring(['a', keyA]), secret, owner);
    expect(() => open(keys, sealed, who)).toThrow();
  });

  it('does not open when a bit of it has changed, or its end is missing', () => {
    const sealed = seal(ring(['a', keyA]), secret, owner);
    for (const at of [0, 12, 28, sealed.bytes.length - 1]) {
      const bytes = Buffer.from(sealed.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(() => open(ring(['a', keyA]), { ...sealed, bytes }, owner)).toThrow();
    }
    expect(() => open(ring(['a', keyA]), { ...sealed, bytes: sealed.bytes.subarray(0, 20) }, owner)).toThrow();
  });
});

describe('TOTP_KEYS', () => {
  let folder: string | undefined;
  afterEach(async () => {
    delete process.env['SPEC_TOTP_KEY'];
    if (folder) await rm(folder, { recursive: true });
    folder = undefined;
  });

  it('reads keys from the environment and from files, the current one first', async () => {
    folder = await mkdtemp(join(tmpdir(), 'totp-'));
    process.env['SPEC_TOTP_KEY'] = keyA.toString('hex');
    await writeFile(join(folder, 'key'), `${keyB.toString('base64')}\n`);
    const keys = totpKeys.parse(`2026-11=env:SPEC_TOTP_KEY, 2026-05=file:${folder}/key`);
    expect([...keys]).toEqual([
      ['2026-11', keyA],
      ['2026-05', keyB],
    ]);
    expect(totpKeys.parse(undefined).size).toBe(0);
  });

  it.each([
    ['no id', 'env:SPEC_TOTP_KEY', 'must be id='],
    ['the key itself', `a=${keyA.toString('hex')}`, 'must be id='],
    ['an id twice', 'a=env:SPEC_TOTP_KEY,a=env:SPEC_TOTP_KEY', 'has the id a twice'],
    ['a variable that is not set', 'a=env:SPEC_NOT_SET', 'the key a is not there'],
    ['a file that is not there', 'a=file:/nowhere/key', 'the key a is not there'],
  ])('is refused with %s, and never told', (_label, text, fault) => {
    process.env['SPEC_TOTP_KEY'] = keyA.toString('hex');
    const parsed = totpKeys.safeParse(text);
    const messages = parsed.error?.issues.map(({ message }) => message).join() ?? '';
    expect(messages).toContain(fault);
    expect(messages).not.toContain(keyA.toString('hex'));
  });

  it.each(['00'.repeat(31), 'not a key', Buffer.alloc(16).toString('base64')])(
    'refuses a key that is too short: %s',
    (key) => {
      process.env['SPEC_TOTP_KEY'] = key;
      expect(totpKeys.safeParse('a=env:SPEC_TOTP_KEY').success).toBe(false);
    },
  );
});
