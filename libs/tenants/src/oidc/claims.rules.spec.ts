import { describe, expect, it } from '@jest/globals';
import { readClaims } from './claims.rules.ts';
import { oidcIssuer } from './issuer.ts';

const issuer = (more: object = {}) =>
  oidcIssuer.parse({
    issuer: 'https://login.example.com',
    audiences: ['signalbox'],
    tenants: ['demo', 'other'],
    ...more,
  });
const usual = { tenant: 'demo', scope: 'send read', sub: 'shop' };

describe('readClaims', () => {
  it.each<[string, object, object, object | undefined]>([
    ['the usual ones', usual, {}, { tenant: 'demo', scopes: ['send', 'read'], name: 'shop' }],
    ['scopes of others', { ...usual, scope: 'openid email admins Send' }, {}, { scopes: [] }],
    ['scp as a list', { ...usual, scope: undefined, scp: ['read', 'admin', 7] }, {}, { scopes: ['read', 'admin'] }],
    ['scope before scp', { ...usual, scope: 'read', scp: 'admin' }, {}, { scopes: ['read'] }],
    ['an empty scope before scp', { ...usual, scope: '', scp: 'admin' }, {}, { scopes: [] }],
    ['no scopes', { ...usual, scope: undefined }, {}, { scopes: [] }],
    ['scopes that are no words', { ...usual, scope: { admin: true } }, {}, { scopes: [] }],
    ['a prefix', { ...usual, scope: 'sb:send read admin' }, { scopePrefix: 'sb:' }, { scopes: ['send'] }],
    [
      'other names',
      { ...usual, org: 'other', roles: ['admin'], azp: 'cli' },
      { claims: { tenant: 'org', scopes: ['roles'], name: 'azp' } },
      { tenant: 'other', scopes: ['admin'], name: 'cli' },
    ],
    [
      'what the claim says, mapped',
      { ...usual, tenant: '7f-guid' },
      { tenants: { '7f-guid': 'demo' } },
      { tenant: 'demo' },
    ],
    ['a tenant that is only mapped to', usual, { tenants: { '7f-guid': 'demo' } }, undefined],
    ['another tenant', { ...usual, tenant: 'third' }, {}, undefined],
    ['no tenant', { ...usual, tenant: undefined }, {}, undefined],
    ['several tenants', { ...usual, tenant: ['demo', 'other'] }, {}, undefined],
    ['a tenant of a prototype', { ...usual, tenant: 'constructor' }, { tenants: { x: 'demo' } }, undefined],
    ['no name', { ...usual, sub: undefined }, {}, { name: 'login.example.com' }],
    ['a long name', { ...usual, sub: 'x'.repeat(100) }, {}, { name: 'x'.repeat(64) }],
  ])('%s', (_label, claims, more, expected) => {
    const read = readClaims(claims as Record<string, unknown>, issuer(more));
    if (expected) expect(read).toMatchObject(expected);
    else expect(read).toBeUndefined();
  });
});

describe('an issuer', () => {
  it.each([
    ['http', { issuer: 'http://login.example.com' }],
    ['http for its keys', { jwksUrl: 'http://login.example.com/keys' }],
    ['a password in the URL', { issuer: 'https://a:b@login.example.com' }],
    ['no URL', { issuer: 'login' }],
    ['a shared secret for an algorithm', { algorithms: ['HS256'] }],
    ['no algorithm at all', { algorithms: ['none'] }],
    ['no audience', { audiences: [] }],
    ['no tenant', { tenants: [] }],
  ])('may not have %s', (_label, more) => {
    expect(() => issuer(more)).toThrow();
  });

  it.each(['http://127.0.0.1:9000', 'http://localhost:9000/realms/x', 'http://[::1]'])(
    'may be %s, on this machine',
    (url) => {
      expect(issuer({ issuer: url, jwksUrl: url }).issuer).toBe(url);
    },
  );
});
