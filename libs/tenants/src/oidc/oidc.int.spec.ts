import { Controller, Get, Module, Post, UseGuards } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ApiTokenGuard,
  CurrentTenant,
  type RunningService,
  Scopes,
  startService,
  TOKEN_DIRECTORY,
} from '@signalbox/service';
import { exportJWK, exportSPKI } from 'jose';
import { z } from 'zod';
import { loadTenants, type TenantDirectory } from '../directory.ts';
import { OidcProvider, type SigningKey, signingKey } from '../fixtures/oidc-provider.ts';
import type { Tenant } from '../schema.ts';

@Controller('v1/things')
@UseGuards(ApiTokenGuard)
class Things {
  @Post()
  @Scopes('send')
  send(@CurrentTenant() tenant: Tenant) {
    return { tenant: tenant.name };
  }

  @Get()
  @Scopes('read')
  list(@CurrentTenant() tenant: Tenant) {
    return { tenant: tenant.name };
  }
}

let directory: TenantDirectory;

@Module({ controllers: [Things], providers: [{ provide: TOKEN_DIRECTORY, useFactory: () => directory }] })
class ThingsModule {}

let folder: string;
let key: SigningKey;
let stranger: SigningKey;
let rsa: SigningKey;
let pss: SigningKey;
/** Speaks for demo and other. */
let provider: OidcProvider;
/** Speaks for other only. */
let narrow: OidcProvider;
let service: RunningService;

const sid = (prefix: string, digit: string) => prefix + digit.repeat(32);
const tenant = (name: string, digit: string) => ({
  name,
  twilio: {
    accountSid: sid('AC', digit),
    apiKey: { sid: sid('SK', digit), secret: 'env:SECRET' },
    authTokens: ['env:SECRET'],
  },
  apiTokens: [{ name: 'own', sha256: createHash('sha256').update(`own-${name}`).digest('hex'), scopes: ['send'] }],
});

beforeAll(async () => {
  [key, stranger, rsa, pss] = await Promise.all([
    signingKey('key'),
    signingKey('key'),
    signingKey('rsa', 'RS256'),
    signingKey('pss', 'PS384'),
  ]);
  provider = await OidcProvider.start(key, rsa, pss);
  narrow = await OidcProvider.start(await signingKey('narrow'));
  folder = await mkdtemp(join(tmpdir(), 'oidc-'));
  const issuer = ({ issuer, jwksUrl }: OidcProvider, tenants: string[]) => ({
    ...{ issuer, jwksUrl, audiences: ['signalbox', 'https://signalbox.example'], tenants },
  });
  await writeFile(
    join(folder, 'tenants.yaml'),
    JSON.stringify({
      version: 1,
      issuers: [issuer(provider, ['demo', 'other']), issuer(narrow, ['other'])],
      tenants: [tenant('demo', '1'), tenant('other', '2'), tenant('third', '3')],
    }),
  );
  directory = await loadTenants(join(folder, 'tenants.yaml'), { SECRET: 'x' });
  service = await startService(
    { name: 'oidc-spec', port: 0, config: z.object({}), module: () => ThingsModule, openapi: { title: 'Things' } },
    { PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'silent' },
  );
});
afterAll(async () => {
  await service.stop();
  await Promise.all([provider.stop(), narrow.stop()]);
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  provider.instead = undefined;
});

async function call(token: string, method = 'POST') {
  const answer = await fetch(`${service.url}/v1/things`, { method, headers: { authorization: `Bearer ${token}` } });
  const { tenant, detail } = (await answer.json()) as { tenant?: string; detail?: string };
  return { status: answer.status, said: tenant ?? detail, headers: answer.headers };
}

const seconds = (from: number) => Math.floor(Date.now() / 1000) + from;
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = (more: object = {}) => ({
  ...{ iss: provider.issuer, aud: 'signalbox', sub: 'x', tenant: 'demo', scope: 'send', exp: seconds(300), ...more },
});
const parts = (token: string) => token.split('.') as [string, string, string];

describe('a JWT', () => {
  it.each<[string, () => Promise<string>, string]>([
    ['signed by the issuer', () => provider.token(), 'demo'],
    ['of another of its keys', () => provider.token({}, rsa), 'demo'],
    ['for one of several audiences', () => provider.token({ aud: ['x', 'https://signalbox.example'] }), 'demo'],
    ['expired just now', () => provider.token({ exp: seconds(-10) }), 'demo'],
    ['valid in a moment', () => provider.token({ nbf: seconds(10) }), 'demo'],
    ['for another of its tenants', () => provider.token({ tenant: 'other' }), 'other'],
    ['of the narrow issuer', () => narrow.token({ tenant: 'other' }), 'other'],
    ['of our own is none, and good', async () => 'own-demo', 'demo'],
  ])('%s opens the API', async (_label, make, expected) => {
    const answer = await call(await make());
    expect([answer.status, answer.said]).toEqual([201, expected]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each<[string, () => Promise<string>, string]>([
    [
      'with another signature',
      async () => `${(await provider.token()).slice(0, -8)}AAAAAAAA`,
      'Its signature is wrong',
    ],
    ['signed by a stranger under a known kid', () => provider.token({}, stranger), 'Its signature is wrong'],
    [
      'with other claims under its signature',
      async () => {
        const [head, , signature] = parts(await provider.token());
        return `${head}.${base64(claims({ scope: 'admin' }))}.${signature}`;
      },
      'Its signature is wrong',
    ],
    [
      'with alg none',
      async () => `${base64({ alg: 'none' })}.${base64(claims())}.${base64('x')}`,
      'Its algorithm is not taken here',
    ],
    ['with alg none and no signature', async () => `${base64({ alg: 'none' })}.${base64(claims())}.`, ''],
    [
      'signed with the public key as the secret of HS256',
      async () => {
        const head = `${base64({ alg: 'HS256', kid: 'rsa' })}.${base64(claims())}`;
        return `${head}.${createHmac('sha256', await exportSPKI(rsa.publicKey))
          .update(head)
          .digest('base64url')}`;
      },
      'Its algorithm is not taken here',
    ],
    ['with an algorithm that is not configured', () => provider.token({}, pss), 'Its algorithm is not taken here'],
    ['of a key nobody knows', async () => provider.token({}, await signingKey('nobody')), 'Its issuer has no such key'],
    [
      'that brings its key along',
      async () => {
        const own = await signingKey('own');
        return provider.token({}, own, { jwk: await exportJWK(own.publicKey), jku: 'http://127.0.0.1:9/keys' });
      },
      'Its issuer has no such key',
    ],
    [
      'that asks for an extension',
      async () =>
        `${base64({ alg: 'ES256', kid: 'key', crit: ['ext'], ext: 1 })}.${base64(claims())}.${'A'.repeat(86)}`,
      'It cannot be verified',
    ],
    ['that has expired', () => provider.token({ exp: seconds(-60) }), 'It has expired'],
    ['that never expires', () => provider.token({ exp: undefined }), 'Its claim exp is not as it has to be'],
    ['that is not valid yet', () => provider.token({ nbf: seconds(60) }), 'It is not valid yet'],
    ['for another audience', () => provider.token({ aud: 'shop' }), 'It was made for another audience'],
    ['for no audience', () => provider.token({ aud: undefined }), 'It was made for another audience'],
    [
      'for a tenant nobody knows',
      () => provider.token({ tenant: 'nobody' }),
      'It names no tenant its issuer may speak for',
    ],
    [
      'for a tenant that is not its own',
      () => provider.token({ tenant: 'third' }),
      'It names no tenant its issuer may speak for',
    ],
    [
      'of an issuer that may not speak for the tenant',
      () => narrow.token({ tenant: 'demo' }),
      'It names no tenant its issuer may speak for',
    ],
    ['for no tenant', () => provider.token({ tenant: undefined }), 'It names no tenant its issuer may speak for'],
    [
      'that names another issuer than its own',
      () => narrow.token({ iss: provider.issuer, tenant: 'demo' }),
      'Its issuer has no such key',
    ],
    ['of an issuer nobody knows', () => provider.token({ iss: 'https://login.example.com' }), ''],
    ['of an issuer with a slash more', () => provider.token({ iss: `${provider.issuer}/` }), ''],
    ['that is none', async () => 'a.b.c', ''],
    ['without an issuer', () => provider.token({ iss: undefined }), ''],
  ])('%s is refused', async (_label, make, why) => {
    const answer = await call(await make());
    const said = why === '' ? 'The token is not valid' : `The token is not valid: ${why}`;
    expect([answer.status, answer.said]).toEqual([401, said]);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="signalbox", error="invalid_token"');
  });

  it('does only what its scopes say', async () => {
    expect((await call(await provider.token({ scope: 'read' }))).status).toBe(403);
    expect((await call(await provider.token({ scope: 'read' }), 'GET')).status).toBe(200);
    expect((await call(await provider.token({ scope: 'openid profile' }), 'GET')).status).toBe(403);
    expect((await call(await provider.token({ scope: 'admin' }), 'GET')).status).toBe(200);
  });

  it('is taken while the issuer is away; what has a new key is answered 503, not 401', async () => {
    expect((await call(await provider.token())).status).toBe(201);
    provider.instead = (response) => response.writeHead(500).end();
    expect((await call(await provider.token())).status).toBe(201);
  });

  it('of an issuer that was never reached is answered 503, and when to come again', async () => {
    const gone = await OidcProvider.start(key);
    const content = {
      version: 1,
      tenants: [tenant('demo', '1')],
      issuers: [{ issuer: gone.issuer, audiences: ['signalbox'], tenants: ['demo'] }],
    };
    await writeFile(join(folder, 'gone.yaml'), JSON.stringify(content));
    const before = directory;
    const token = await gone.token();
    await gone.stop();
    directory = await loadTenants(join(folder, 'gone.yaml'), { SECRET: 'x' });
    expect(await directory.byApiToken(token)).toEqual({ refused: expect.any(String), retryAfterSeconds: 5 });
    const other = await startService(
      { name: 'oidc-spec', port: 0, config: z.object({}), module: () => ThingsModule },
      { PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'silent' },
    );
    try {
      const answer = await fetch(`${other.url}/v1/things`, { headers: { authorization: `Bearer ${token}` } });
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      const own = await fetch(`${other.url}/v1/things`, {
        method: 'POST',
        headers: { authorization: 'Bearer own-demo' },
      });
      expect(own.status).toBe(201);
    } finally {
      directory = before;
      await other.stop();
    }
  });

  it('is counted by issuer and verdict, and never by what it says', async () => {
    await call(await provider.token({ exp: seconds(-60), sub: 'somebody@example.com' }));
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain(`signalbox_oidc_tokens_total{issuer="${provider.issuer}",result="expired"}`);
    expect(metrics).toContain(`signalbox_oidc_key_fetches_total{issuer="${provider.issuer}",result="ok"}`);
    expect(metrics).not.toMatch(/somebody|eyJ/);
  });
});
