import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import { OidcProvider, signingKey } from './fixtures/oidc-provider.ts';
import { loadTenants, type TenantDirectory } from './directory.ts';
import { TenantFileError } from './tenant-file.ts';

const sid = (prefix: string, digit: string) => prefix + digit.repeat(32);
const hash = (token: string) => createHash('sha256').update(token).digest('hex');
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ format: 'der', type: 'spki' })
  .toString('base64');
const env = { API_SECRET: 'api-secret', AUTH: 'auth-token', EMPTY: '' };

interface Changes {
  name?: string;
  account?: string;
  authTokens?: string;
  extra?: string;
}

const tenantYaml = ({ name = 'demo', account = '1', authTokens = '[env:AUTH]', extra = '' }: Changes = {}) => `
  - name: ${name}
    twilio:
      accountSid: ${sid('AC', account)}
      apiKey: { sid: ${sid('SK', '2')}, secret: env:API_SECRET }
      authTokens: ${authTokens}
    senders: ['+14155550100', 'whatsapp:+14155550100', '55501', Signalbox]
    messagingServices: { default: ${sid('MG', '3')} }
    defaultMessagingService: default
    ${extra}`;
const file = (...tenants: string[]) => `version: 1\ntenants:${tenants.join('')}`;
const tokens = (...names: string[]) =>
  `apiTokens: [${names.map((name) => `{ name: ${name}, sha256: '${hash(name)}', scopes: [send, read] }`).join(', ')}]`;

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenants-'));
  path = join(folder, 'tenants.yaml');
});
afterEach(() => rm(folder, { recursive: true }));

const load = async (yaml: string): Promise<TenantDirectory> => {
  await writeFile(path, yaml);
  return loadTenants(path, env);
};
const faultsOf = async (yaml: string): Promise<readonly string[]> => {
  const error: unknown = await load(yaml).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TenantFileError)) throw new Error('expected a TenantFileError', { cause: error });
  return error.faults;
};

describe('loadTenants', () => {
  it('finds a tenant by name, account and API token, with its secrets resolved', async () => {
    const directory = await load(
      file(tenantYaml({ extra: tokens('shop') }), tenantYaml({ name: 'other', account: '4' })),
    );
    const demo = directory.byName('demo');
    expect(demo).toMatchObject({
      twilio: { apiKey: { secret: 'api-secret' }, authTokens: ['auth-token'] },
      defaultMessagingService: 'default',
    });
    expect(directory.byAccountSid(sid('AC', '1'))).toBe(demo);
    expect(await directory.byApiToken('shop')).toEqual({ tenant: demo, name: 'shop', scopes: ['send', 'read'] });
    expect(directory.all.map(({ name }) => name)).toEqual(['demo', 'other']);
    for (const miss of [directory.byName('nobody'), directory.byAccountSid('AC')]) expect(miss).toBeUndefined();
    expect(await directory.byApiToken(hash('shop'))).toBeUndefined();
  });

  it('resolves the secrets of SendGrid and of shared keys', async () => {
    const extra = `sendgrid:
      apiKey: env:API_SECRET
      eventPublicKeys: ['${publicKey}']
      inboundParse: { secretPath: env:AUTH, allowedSources: [192.0.2.0/24, '2001:db8::/32'] }`;
    const sharedKeys = `[env:AUTH]
      sharedKeys: [{ routes: [/twilio/sms/status], secrets: [env:API_SECRET] }]`;
    const directory = await load(file(tenantYaml({ authTokens: sharedKeys, extra })));
    expect(directory.byName('demo')).toMatchObject({
      twilio: {
        sharedKeys: [{ routes: ['/twilio/sms/status'], secrets: ['api-secret'], algorithm: 'HMAC_SHA256' }],
      },
      sendgrid: { apiKey: 'api-secret', inboundParse: { secretPath: 'auth-token' } },
    });
  });

  it('reads file: secrets relative to the file and without the last line break', async () => {
    await writeFile(join(folder, 'auth'), 'from-file\n');
    const directory = await load(file(tenantYaml({ authTokens: '[file:auth, env:AUTH]' })));
    expect(directory.byName('demo')?.twilio.authTokens).toEqual(['from-file', 'auth-token']);
  });

  it.each([
    [
      'a literal secret',
      file(tenantYaml({ authTokens: '[0123456789abcdef]' })),
      ['tenants.0.twilio.authTokens.0: a secret must not stand in this file: write env:NAME or file:/path'],
    ],
    [
      'three tokens',
      file(tenantYaml({ authTokens: '[env:AUTH, env:AUTH, env:AUTH]' })),
      ['tenants.0.twilio.authTokens: at most two: the current one and, during a rotation, the other'],
    ],
    [
      'secrets that are not there',
      file(tenantYaml({ authTokens: '[env:MISSING, env:EMPTY]' })),
      [
        'tenants.0.twilio.authTokens.0: environment variable MISSING is not set',
        'tenants.0.twilio.authTokens.1: environment variable EMPTY is not set',
      ],
    ],
    [
      'two tenants of one name and account',
      file(tenantYaml(), tenantYaml()),
      [
        'tenants.1.name: name is already used at tenants.0.name',
        'tenants.1.twilio.accountSid: accountSid is already used at tenants.0.twilio.accountSid',
      ],
    ],
    [
      'one token twice',
      file(tenantYaml({ extra: tokens('shop') }), tenantYaml({ name: 'other', account: '4', extra: tokens('shop') })),
      ['tenants.1.apiTokens.0.sha256: token is already used at tenants.0.apiTokens.0.sha256'],
    ],
    [
      'a default that is not there',
      file(tenantYaml({ extra: "defaultSender: '+14155550111'" })),
      ['tenants.0.defaultSender: is not in senders'],
    ],
    [
      'Inbound Parse without a way to tell its sender, and ranges that are none',
      file(
        tenantYaml({ extra: 'sendgrid: { inboundParse: { allowedSources: [192.0.2.0/33] } }' }),
        tenantYaml({ name: 'b', account: '4', extra: 'sendgrid: { inboundParse: {} }' }),
      ),
      [
        'tenants.0.sendgrid.inboundParse.allowedSources.0: must be an IP address or a CIDR range',
        'tenants.0.sendgrid.inboundParse: needs publicKeys or secretPath',
        'tenants.0.sendgrid.inboundParse: allowedSources goes with secretPath',
        'tenants.1.sendgrid.inboundParse: needs publicKeys or secretPath',
      ],
    ],
    [
      'one public key for two tenants',
      file(
        tenantYaml({ extra: `sendgrid: { eventPublicKeys: ['${publicKey}'] }` }),
        tenantYaml({ name: 'b', account: '4', extra: `sendgrid: { eventPublicKeys: ['${publicKey}'] }` }),
      ),
      ['tenants.1.sendgrid.eventPublicKeys.0: public key is already used at tenants.0.sendgrid.eventPublicKeys.0'],
    ],
    [
      'one key of inbound email for two tenants',
      file(
        tenantYaml({ extra: `sendgrid: { inboundParse: { publicKeys: ['${publicKey}'] } }` }),
        tenantYaml({ name: 'b', account: '4', extra: `sendgrid: { inboundParse: { publicKeys: ['${publicKey}'] } }` }),
      ),
      [
        'tenants.1.sendgrid.inboundParse.publicKeys.0: public key is already used at tenants.0.sendgrid.inboundParse.publicKeys.0',
      ],
    ],
    [
      'one secret path for two tenants',
      file(
        tenantYaml({ extra: 'sendgrid: { inboundParse: { secretPath: env:AUTH } }' }),
        tenantYaml({ name: 'b', account: '4', extra: 'sendgrid: { inboundParse: { secretPath: env:AUTH } }' }),
        tenantYaml({ name: 'c', account: '5', extra: 'sendgrid: { inboundParse: { secretPath: env:API_SECRET } }' }),
      ),
      ['tenants.1.sendgrid.inboundParse.secretPath: is that of tenants.0, they have to differ'],
    ],
    [
      'a public key that is none',
      file(tenantYaml({ extra: 'sendgrid: { eventPublicKeys: [MFkw] }' })),
      ['tenants.0.sendgrid.eventPublicKeys.0: must be a P-256 public key, PEM or base64 as SendGrid shows it'],
    ],
    [
      'one issuer twice, and one for a tenant that is not there',
      `${file(tenantYaml())}
issuers:
  - { issuer: 'https://a.example', audiences: [x], tenants: [demo] }
  - { issuer: 'https://a.example', audiences: [y], tenants: { '1': demo, '2': none } }`,
      ['issuers.1.issuer: issuer is already used at issuers.0.issuer', 'issuers.1.tenants: there is no tenant none'],
    ],
    ['no tenants', 'version: 1\ntenants: []', ['tenants: Too small: expected array to have >=1 items']],
    ['another version', `version: 2\ntenants:${tenantYaml()}`, ['version: must be 1, the only version there is']],
    ['an unknown key', file(tenantYaml({ extra: 'sender: x' })), ['tenants.0: Unrecognized key: "sender"']],
    ['broken YAML', 'version: [', ['YAML, at character 10: BAD_INDENT']],
    ['nothing', '', ['file: Invalid input: expected object, received null']],
  ])('refuses %s', async (_label, yaml, faults) => {
    expect(await faultsOf(yaml)).toEqual(faults);
  });

  it('names every fault at once, with its path, and repeats no value', async () => {
    const faults = await faultsOf(
      file(
        tenantYaml({ name: 'De Mo', account: 'x', authTokens: '[s3cr3t]' }),
        tenantYaml({ name: 'b', authTokens: '[]' }),
      ),
    );
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'tenants.0.name',
      'tenants.0.twilio.accountSid',
      'tenants.0.twilio.authTokens.0',
      'tenants.1.twilio.authTokens',
    ]);
    expect(faults.join()).not.toContain('s3cr3t');
  });

  it('says that the file is missing', async () => {
    await expect(loadTenants(join(folder, 'none.yaml'), env)).rejects.toThrow(
      /none\.yaml: 1 fault\n {2}- cannot be read: ENOENT/,
    );
  });

  it('accepts the example', async () => {
    const example = await readFile(new URL('../../../config/tenants.example.yaml', import.meta.url), 'utf8');
    await writeFile(path, example);
    const directory = await loadTenants(path, { TWILIO_API_KEY_SECRET: 'a', TWILIO_AUTH_TOKEN: 'b' });
    expect(directory.byName('demo')?.defaultMessagingService).toBe('default');
  });
});

describe('watch', () => {
  const silent = createLogger('tenants-spec', { level: 'silent' });
  let directory: TenantDirectory;
  afterEach(() => directory.close());

  it('takes up a change, keeps the objects of unchanged tenants, and survives a bad file', async () => {
    directory = await load(file(tenantYaml()));
    const before = directory.byName('demo');
    directory.watch(silent);

    await writeFile(path, file(tenantYaml(), tenantYaml({ name: 'other', account: '4' })));
    await eventually(() => expect(directory.byName('other')).toBeDefined());
    expect(directory.byName('demo')).toBe(before);

    await writeFile(path, 'version: [');
    await expect(directory.reload()).rejects.toBeInstanceOf(TenantFileError);
    expect(directory.byName('other')).toBeDefined();

    await writeFile(path, file(tenantYaml({ authTokens: '[env:AUTH, env:API_SECRET]' })));
    await eventually(() => expect(directory.byName('demo')?.twilio.authTokens).toEqual(['auth-token', 'api-secret']));
    expect(directory.byName('demo')).not.toBe(before);
    expect(directory.byName('other')).toBeUndefined();
  });

  it('takes up issuers, and keeps the keys of one that has not changed', async () => {
    const provider = await OidcProvider.start(await signingKey('first'));
    const withIssuer = (...audiences: string[]) =>
      `${file(tenantYaml())}
issuers: [{ issuer: '${provider.issuer}', audiences: [${audiences.join(', ')}], tenants: [demo] }]`;
    try {
      directory = await load(file(tenantYaml()));
      directory.watch(silent);
      expect(await directory.byApiToken(await provider.token())).toBeUndefined();
      const isTaken = async () =>
        expect(await directory.byApiToken(await provider.token())).toMatchObject({ tenant: { name: 'demo' } });

      await writeFile(path, withIssuer('signalbox'));
      await eventually(isTaken);
      await writeFile(path, withIssuer('signalbox').replace('[env:AUTH]', '[env:API_SECRET]'));
      await eventually(() => expect(directory.byName('demo')?.twilio.authTokens).toEqual(['api-secret']));
      await isTaken();
      expect(provider.asked).toBe(1);

      await writeFile(path, withIssuer('other'));
      await eventually(async () =>
        expect(await directory.byApiToken(await provider.token())).toEqual({
          refused: 'It was made for another audience',
        }),
      );
    } finally {
      await provider.stop();
    }
  });

  it('sees a Secret mounted by Kubernetes change: a symlink beside it is swapped', async () => {
    const mount = join(folder, 'secret');
    for (const [version, token] of [
      ['v1', 'old'],
      ['v2', 'new'],
    ] as const) {
      await mkdir(join(mount, version), { recursive: true });
      await writeFile(join(mount, version, 'auth'), token);
    }
    await symlink('v1', join(mount, '..data'));
    await symlink('..data/auth', join(mount, 'auth'));
    directory = await load(file(tenantYaml({ authTokens: '[file:secret/auth]' })));
    directory.watch(silent);

    await symlink('v2', join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    await eventually(() => expect(directory.byName('demo')?.twilio.authTokens).toEqual(['new']));
  });
});
