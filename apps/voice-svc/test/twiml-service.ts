import { domainService } from '@signalbox/domain-service';
import { createDataSource, migrate } from '@signalbox/persistence';
import { type RunningService, startService } from '@signalbox/service';
import { eventually, testDatabase, type TestDatabase, testKafka } from '@signalbox/testing';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { CONFIG, voiceConfig } from '../src/config.ts';
import { migrations } from '../src/migrations/migrations.ts';
import { twimlParts } from '../src/twiml/parts.ts';
import { TwilioCaller } from './twilio-caller.ts';

export const accountSid = `AC${'0'.repeat(31)}1`;
export const otherAccountSid = `AC${'0'.repeat(31)}2`;
export const base = 'https://calls.example.com';

/** Answering calls by itself: what of voice-svc needs no topic. */
const twimlService = domainService({
  name: 'voice-svc',
  port: 8082,
  config: voiceConfig,
  migrations,
  topics: [],
  parts: ({ config }) => ({
    ...twimlParts,
    providers: [{ provide: CONFIG, useValue: config }, ...twimlParts.providers],
  }),
  openapi: { title: 'TwiML' },
});

export interface TwimlServiceOptions {
  /** Of the tenants demo and other. */
  readonly voice?: object;
  /** Files of the flow directory, e.g. `demo/support.yaml`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** How the service reaches its database. */
  readonly databaseUrl?: (url: string) => string;
}

export interface TwimlService {
  readonly database: TestDatabase;
  readonly url: string;
  readonly directory: string;
  api(
    path: string,
    init?: RequestInit & { token?: string },
  ): Promise<{ status: number; type: string; text: string; body: unknown }>;
  putFlow(name: string, flow: object): Promise<unknown>;
  caller(params?: Readonly<Record<string, string>>): TwilioCaller;
  setAuthTokens(...tokens: string[]): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const token = randomUUID();
export const authToken = randomUUID();

export async function startTwimlService(options: TwimlServiceOptions = {}): Promise<TwimlService> {
  const directory = await mkdtemp(join(tmpdir(), 'voice-svc-'));
  const tenantsFile = join(directory, 'tenants.yaml');
  const writeTenants = (authTokens: readonly string[]) => {
    const secrets = authTokens.map((value) => {
      const name = `SPEC_${createHash('sha1').update(value).digest('hex').toUpperCase()}`;
      process.env[name] = value;
      return `env:${name}`;
    });
    const tenant = (name: string, sid: string) => ({
      name,
      twilio: { accountSid: sid, apiKey: { sid: `SK${'0'.repeat(32)}`, secret: secrets[0] }, authTokens: secrets },
      voice: options.voice ?? {},
      apiTokens: [
        {
          name: `${name}-spec`,
          sha256: createHash('sha256').update(`${token}${name}`).digest('hex'),
          scopes: ['admin', 'read'],
        },
      ],
    });
    const tenants = [tenant('demo', accountSid), tenant('other', otherAccountSid)];
    return writeFile(tenantsFile, stringify({ version: 1, tenants }));
  };
  await writeTenants([authToken]);
  const flows = join(directory, 'flows');
  await mkdir(flows);
  for (const [file, text] of Object.entries(options.files ?? {})) {
    await mkdir(join(flows, file, '..'), { recursive: true });
    await writeFile(join(flows, file), text);
  }
  const database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  const names = testKafka();
  const start = (): Promise<RunningService> =>
    startService(twimlService, {
      PORT: '0',
      LOG_LEVEL: 'fatal',
      KAFKA_BROKERS: names.brokers.join(','),
      KAFKA_GROUP_ID: names.group('voice-svc'),
      DATABASE_URL: options.databaseUrl?.(database.url) ?? database.url,
      TENANTS_FILE: tenantsFile,
      PUBLIC_BASE_URL: 'https://callbacks.example.com',
      VOICE_PUBLIC_BASE_URL: base,
      FLOWS_DIR: flows,
      ...options.env,
    });
  let service = await start().catch(async (error: unknown) => {
    await database.drop();
    throw error;
  });
  const api: TwimlService['api'] = async (path, { token: holder = 'demo', headers, ...init } = {}) => {
    const response = await fetch(`${service.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}${holder}`, ...headers },
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      type,
      text,
      body: type.includes('json') ? (JSON.parse(text) as unknown) : undefined,
    };
  };
  return {
    database,
    directory: flows,
    get url() {
      return service.url;
    },
    api,
    async putFlow(name, flow) {
      const headers = { 'content-type': 'application/json' };
      const answer = await api(`/v1/flows/${name}`, { method: 'PUT', headers, body: JSON.stringify(flow) });
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.body;
    },
    caller: (params) => new TwilioCaller({ url: service.url, base, accountSid, authToken, ...(params && { params }) }),
    async setAuthTokens(...tokens) {
      await writeTenants(tokens);
      // Taken up when a request that the new ones sign is taken.
      const probe = new TwilioCaller({ url: service.url, base, accountSid, authToken: tokens.at(-1) ?? '' });
      await eventually(async () => {
        if ((await probe.post('/twilio/voice/inbound')).status !== 200) throw new Error('not taken up yet');
      });
    },
    async restart() {
      await service.stop();
      service = await start();
    },
    async stop() {
      await service.stop();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
