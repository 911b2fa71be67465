import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { OidcProvider, type SigningKey, signingKey } from '../fixtures/oidc-provider.ts';
import { IssuerKeys, keyTimes, type KeyTimes } from './issuer-keys.ts';

const hour = 3_600_000;
let provider: OidcProvider;
let first: SigningKey;
let second: SigningKey;

beforeEach(async () => {
  [first, second] = await Promise.all([signingKey('first'), signingKey('second')]);
  provider = await OidcProvider.start(first);
});
afterEach(() => provider.stop());

const keysWith = (times: Partial<KeyTimes> = {}, jwksUrl: string | null = provider.jwksUrl) =>
  new IssuerKeys({ issuer: provider.issuer, jwksUrl: jwksUrl ?? undefined }, () => undefined, {
    ...keyTimes,
    ...times,
  });
const verified = async (keys: IssuerKeys, key = first) => {
  const token = await provider.token({}, key);
  return jwtVerify(token, keys.find).then(
    () => 'ok',
    (error: Error) => error.name,
  );
};
const away = () => (provider.instead = (response) => response.writeHead(500).end('{}'));

describe('the keys of an issuer', () => {
  it('are fetched once for many tokens', async () => {
    const keys = keysWith();
    expect(await Promise.all([verified(keys), verified(keys), verified(keys)])).toEqual(['ok', 'ok', 'ok']);
    expect(await verified(keys)).toBe('ok');
    expect(provider.asked).toBe(1);
  });

  it('are fetched anew for a key that is not among them, but not again at once', async () => {
    const keys = keysWith({ cooldownMs: 0 });
    expect(await verified(keys)).toBe('ok');
    provider.keys = [first, second];
    expect(await verified(keys, second)).toBe('ok');

    const patient = keysWith({ cooldownMs: hour });
    expect(await verified(patient)).toBe('ok');
    const before = provider.asked;
    const unknown = await signingKey('unknown');
    expect(await Promise.all([verified(patient, unknown), verified(patient, unknown)])).toEqual([
      'JWKSNoMatchingKey',
      'JWKSNoMatchingKey',
    ]);
    expect(provider.asked).toBe(before);
  });

  it('no longer count once the issuer has withdrawn them', async () => {
    const keys = keysWith({ refreshAfterMs: 0, cooldownMs: hour });
    expect(await verified(keys)).toBe('ok');
    provider.keys = [second];
    expect(await verified(keys)).toBe('JWKSNoMatchingKey');
  });

  it('go on to count while the issuer is away, and only so long', async () => {
    const keys = keysWith({ refreshAfterMs: 0, retryAfterMs: 0, cooldownMs: 0 });
    const forgetful = keysWith({ keepForMs: 0, retryAfterMs: 0 });
    expect([await verified(keys), await verified(forgetful)]).toEqual(['ok', 'ok']);
    away();
    expect([await verified(keys), await verified(keys)]).toEqual(['ok', 'ok']);
    expect(await verified(forgetful)).toBe('KeysUnavailable');
    // Whether the issuer has this one cannot be told.
    expect(await verified(keys, second)).toBe('KeysUnavailable');
    provider.instead = undefined;
    provider.keys = [second];
    expect(await verified(keys, second)).toBe('ok');
  });

  it('do not make tokens wait for an issuer that hangs, once it has been found so', async () => {
    const keys = keysWith({ refreshAfterMs: 0, retryAfterMs: 0, timeoutMs: 100 });
    expect(await verified(keys)).toBe('ok');
    provider.instead = () => undefined;
    expect(await verified(keys)).toBe('ok');
    const patient = keysWith({ refreshAfterMs: 0, retryAfterMs: hour, timeoutMs: 100 });
    expect(await verified(patient)).toBe('KeysUnavailable');
    const before = provider.asked;
    expect(await verified(patient)).toBe('KeysUnavailable');
    expect(provider.asked).toBe(before);
  });

  it.each<[string, () => void]>([
    ['an error', () => away()],
    ['a redirect', () => (provider.instead = (response) => response.writeHead(302, { location: '/other' }).end())],
    ['no JSON', () => (provider.instead = (response) => response.end('<html>'))],
    ['no keys', () => (provider.instead = (response) => response.end('{"keys":1}'))],
    ['a broken connection', () => (provider.instead = (response) => response.destroy())],
  ])('are not there when the answer is %s', async (_label, spoil) => {
    spoil();
    expect(await verified(keysWith())).toBe('KeysUnavailable');
  });

  it('are found by discovery', async () => {
    expect(await verified(keysWith({}, null))).toBe('ok');
  });

  it.each([
    ['of another issuer', { issuer: 'https://login.example.com' }],
    ['without keys', { jwks_uri: undefined }],
    ['with keys in a file', { jwks_uri: 'file:///etc/passwd' }],
  ])('are not taken from a discovery document %s', async (_label, document) => {
    provider.discovery = document;
    expect(await verified(keysWith({}, null))).toBe('KeysUnavailable');
    expect(provider.asked).toBe(0);
  });
});
