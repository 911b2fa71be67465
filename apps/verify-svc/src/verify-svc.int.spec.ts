import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type VerificationStateChanged, examples, topics } from '@signalbox/contracts';
import { createKafka, ensureTopics, EventProducer } from '@signalbox/kafka';
import { createDataSource, migrate } from '@signalbox/persistence';
import { type RunningService, startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testDatabase, type TestDatabase, testKafka } from '@signalbox/testing';
import type { Consumer } from 'kafkajs';
import type { DataSource } from 'typeorm';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from '../test/builders.ts';
import { migrations } from './migrations/migrations.ts';
import { verifyService } from './service.ts';

const hex32 = '0'.repeat(32);
const verificationSid = `VE${'1'.repeat(32)}`;
/** Nobody listens at the provider of demo; that of named answers what services there are. */
const tenantsFile = (token: string, servicesAt: string) => `version: 1
tenants:
  - name: demo
    twilio:
      accountSid: AC${hex32}
      apiKey: { sid: SK${hex32}, secret: env:SPEC_SECRET }
      authTokens: [env:SPEC_SECRET]
      baseUrl: http://127.0.0.1:1
    verify: { services: { default: { sid: VA${hex32} } } }
    apiTokens: [{ name: spec, sha256: ${createHash('sha256').update(token).digest('hex')}, scopes: [admin] }]
  - name: named
    twilio:
      accountSid: AC${'1'.repeat(32)}
      apiKey: { sid: SK${hex32}, secret: env:SPEC_SECRET }
      authTokens: [env:SPEC_SECRET]
      baseUrl: ${servicesAt}
    verify: { services: { default: { friendlyName: Login } } }
`;

describe('verify-svc, on a real Kafka and Postgres', () => {
  const token = randomUUID();
  const names = testKafka();
  const kafka = createKafka(
    { brokers: names.brokers, clientId: 'verify-svc-spec' },
    createLogger('spec', { level: 'silent' }),
  );
  const producer = new EventProducer(kafka);
  /** Every event, by idempotency key, in the order of its partition. */
  const events = new Map<string, VerificationStateChanged[]>();
  const deadLetters: (string | undefined)[] = [];
  /** What waited each time Twilio was asked for a service. */
  const whileAsked: string[] = [];
  const twilio = createServer((request, response) => {
    if (!/^\/v2\/Services(\?|$)/.test(request.url ?? '')) {
      response.writeHead(503).end();
      return;
    }
    // A transaction that waits for this answer is there as long as it does not come; others pass.
    const seen = eventually(async () => expect(await countWaiting()).toBe(0), { timeout: 10_000 });
    void seen
      .then(
        () => 'nothing waits',
        () => 'a transaction waits',
      )
      .then((what) => {
        whileAsked.push(what);
        const found = { services: [{ sid: `VA${hex32}`, friendly_name: 'Login' }], meta: { key: 'services' } };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(found));
      });
  });
  let folder: string;
  let look: DataSource;
  let database: TestDatabase;
  let service: RunningService;
  let consumer: Consumer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verify-svc-'));
    await new Promise<void>((resolve) => twilio.listen(0, '127.0.0.1', resolve));
    const { port } = twilio.address() as AddressInfo;
    await writeFile(join(folder, 'tenants.yaml'), tenantsFile(token, `http://127.0.0.1:${port}`));
    process.env['SPEC_SECRET'] = 'secret';
    database = await testDatabase({
      migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
    });
    look = await createDataSource({ url: database.url, applicationName: 'spec' }).initialize();
    await ensureTopics(kafka, [topics.verifyCommands, topics.verifyEvents, topics.twilioVerifyCallbacks]);
    service = await startService(verifyService, {
      PORT: '0',
      LOG_LEVEL: 'fatal',
      KAFKA_BROKERS: names.brokers.join(','),
      KAFKA_GROUP_ID: names.group('verify-svc'),
      DATABASE_URL: database.url,
      TENANTS_FILE: join(folder, 'tenants.yaml'),
      HASH_KEY: 'k'.repeat(32),
      RETRY_BASE_MS: '60000',
      RETRY_MAX_MS: '60000',
      RECONCILE_POLL_MS: '100',
      PROVIDER_TIMEOUT_MS: '30000',
      ATTEMPT_LEASE_MS: '60000',
    });
    consumer = kafka.consumer({ groupId: names.group('verify-svc-spec') });
    await consumer.connect();
    await consumer.subscribe({ topics: ['events.verify.v1', 'commands.verify.v1.dlq'], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        if (topic.endsWith('.dlq')) {
          deadLetters.push(message.key?.toString());
          return;
        }
        const data = JSON.parse(String(message.value)) as VerificationStateChanged;
        events.set(data.idempotencyKey, [...(events.get(data.idempotencyKey) ?? []), data]);
      },
    });
  }, 60_000);

  afterAll(async () => {
    await consumer?.disconnect();
    await service?.stop();
    await producer.disconnect();
    await look?.destroy();
    twilio.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  async function countWaiting(): Promise<number> {
    const [row] = await look.query<{ count: number }[]>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'verify-svc' and state like 'idle in transaction%'`,
    );
    return row?.count ?? 0;
  }

  const states = (key: string) => (events.get(key) ?? []).map(({ sequence, state }) => `${sequence} ${state}`);

  let numbers = 0;
  const number = () => `+1415555${String(1000 + numbers++)}`;

  async function publishCommand(idempotencyKey: string, tenant = 'demo', changes: object = {}): Promise<void> {
    const time = new Date().toISOString();
    const data = command({ idempotencyKey, tenant, to: number(), ip: null, subject: null, ...changes });
    const event = { id: randomUUID(), source: '//spec', type: 'verify.start.v1', time, data };
    await producer.publish(topics.verifyCommands, { key: `${tenant}:${idempotencyKey}`, event });
  }

  async function callBack(verificationId: string, status: string, tenant = 'demo'): Promise<void> {
    const time = new Date().toISOString();
    const data = {
      ...examples['twilio.verification.event.v1'],
      tenant,
      resourceSid: verificationSid,
      correlationId: null,
      status,
      receivedAt: time,
      eventType: `com.twilio.accountsecurity.verify.verification.${status.toLowerCase()}`,
      params: { tags: JSON.stringify({ signalbox: `${verificationId}.1` }) },
    };
    const id = `${verificationId}.${status}`;
    const event = { id, source: '//spec', type: 'twilio.verification.event.v1', time, data };
    await producer.publish(topics.twilioVerifyCallbacks, { key: verificationSid, event });
  }

  async function api(path: string, init: RequestInit = {}): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { authorization: `Bearer ${token}`, ...(init.body ? { 'content-type': 'application/json' } : {}) };
    const response = await fetch(`${service.url}${path}`, { ...init, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  const post = (path: string, body: object) => api(path, { method: 'POST', body: JSON.stringify(body) });

  function request(idempotencyKey: string, changes: object = {}): object {
    const { tenant: _tenant, ...rest } = command({ idempotencyKey, ip: null, subject: null, to: number() });
    return { ...rest, ...changes };
  }

  it('is ready and describes itself', async () => {
    await eventually(async () =>
      expect((await api('/readyz')).body).toMatchObject({ checks: { kafka: 'ok', postgres: 'ok' } }),
    );
    const { paths } = (await api('/openapi.json')).body as { paths: object };
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/v1/verifications',
        '/v1/verifications/{id}',
        '/v1/verifications/{id}/cancel',
        '/v1/verifications/{id}/check',
        '/v1/verifications/{id}/resend',
        '/v1/erasures',
      ]),
    );
  });

  it('accepts a start while the provider is away, once per key, and takes back a check that nobody saw', async () => {
    const key = randomUUID();
    const asked = request(key);
    const first = await post('/v1/verifications', asked);
    expect(first).toMatchObject({ status: 201, body: { state: 'accepted', repeated: false } });
    const id = String(first.body['verificationId']);
    expect(await post('/v1/verifications', asked)).toMatchObject({
      status: 200,
      body: { verificationId: id, repeated: true },
    });
    expect(await post('/v1/verifications', { ...asked, purpose: 'another' })).toMatchObject({ status: 422 });
    expect(await post(`/v1/verifications/${id}/check`, { code: '123456' })).toMatchObject({
      status: 503,
      body: { state: 'accepted' },
    });
    expect((await api(`/v1/verifications/${id}`)).body).toMatchObject({
      checks: 0,
      attempts: [{ channel: 'sms', state: 'put_off', error: { code: 'no_answer' } }],
    });
    await eventually(() => expect(states(key)).toEqual(['1 accepted']));
  });

  it('follows a verification whatever order events arrive in, and lets no stranger move it', async () => {
    const key = randomUUID();
    const { body } = await post('/v1/verifications', request(key));
    const id = String(body['verificationId']);
    await callBack(id, 'APPROVED', 'stranger');
    await callBack(id, 'APPROVED');
    await callBack(id, 'APPROVED');
    await callBack(id, 'PENDING');
    await callBack(id, 'SOMETHING_OF_TOMORROW');
    await eventually(async () => {
      const { body: story } = await api(`/v1/verifications/${id}`);
      const history = story['history'] as { kind: string; detail: Record<string, unknown> }[];
      const callbacks = history.filter(({ kind }) => kind === 'callback');
      expect(callbacks.map(({ detail }) => [detail['status'], detail['outcome']])).toEqual([
        ['APPROVED', 'applied'],
        ['PENDING', 'ignored'],
        ['SOMETHING_OF_TOMORROW', 'unknown'],
      ]);
    });
    await eventually(() => expect(states(key)).toEqual(['1 accepted', '2 approved']));
  });

  it('makes one verification of a command that comes three times', async () => {
    const key = randomUUID();
    await Promise.all([publishCommand(key), publishCommand(key), publishCommand(key)]);
    await eventually(() => expect(states(key)).toEqual(['1 accepted']));
  });

  it('asks Twilio which service a command means while no transaction waits for it, once', async () => {
    const keys = [randomUUID(), randomUUID()];
    for (const key of keys) {
      await publishCommand(key, 'named');
      await eventually(() => expect(states(key)[0]).toBe('1 accepted'));
    }
    expect(whileAsked).toEqual(['nothing waits']);
  });

  it('asks about an attempt in doubt of a tenant that is gone until its time is over, and then leaves it', async () => {
    const starts = [
      await post('/v1/verifications', request(randomUUID())),
      await post('/v1/verifications', request(randomUUID())),
    ];
    const [over, open] = starts.map(({ body }) => String(body['verificationId']));
    await look.query(
      `update verifications set tenant = 'gone', due_at = null, state = case id when $1 then 'expired' else state end
       where id = any($2)`,
      [over, [over, open]],
    );
    await look.query(
      `update verification_attempts set state = 'in_doubt', lease_until = now() where verification_id = any($1)`,
      [[over, open]],
    );
    const attempts = await eventually(async () => {
      const rows = await look.query<{ verification_id: string; state: string; is_put_off: boolean }[]>(
        `select verification_id, state, lease_until > now() as is_put_off from verification_attempts
         where verification_id = any($1) order by verification_id`,
        [[over, open]],
      );
      expect(rows).toMatchObject([{ state: 'not_taken' }, { is_put_off: true }]);
      return rows;
    });
    expect(attempts[1]).toMatchObject({ verification_id: open, state: 'in_doubt' });
  });

  it.each([
    ['a number without its country', { to: '0171 1234567' }, '#/to'],
    ['no address for the channel', { channel: 'email' }, '#/channel'],
    ['a service nobody knows', { service: 'other' }, '#/service'],
    ['a code where the service takes none', { code: '123456' }, '#/code'],
  ])('says what is wrong with %s', async (_label, changes, pointer) => {
    expect(await post('/v1/verifications', request(randomUUID(), changes))).toMatchObject({
      status: 422,
      body: { errors: [{ pointer }] },
    });
  });

  it('takes nothing for a code that is none, and does not repeat it', async () => {
    const answer = await post(`/v1/verifications/${randomUUID()}/check`, { code: 'abc123' });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '#/code' }] } });
    expect(JSON.stringify(answer.body)).not.toContain('abc123');
  });

  it('knows nothing of what is not there, and lets nobody in without a token', async () => {
    const id = randomUUID();
    expect(await api(`/v1/verifications/${id}`)).toMatchObject({ status: 404 });
    expect(await post(`/v1/verifications/${id}/check`, { code: '123456' })).toMatchObject({ status: 404 });
    expect(await post(`/v1/verifications/${id}/resend`, {})).toMatchObject({ status: 404 });
    expect(await post(`/v1/verifications/${id}/cancel`, {})).toMatchObject({ status: 404 });
    expect((await fetch(`${service.url}/v1/verifications/${id}`)).status).toBe(401);
  });

  it('sets a command of an unknown tenant and one that cannot be carried out aside, and goes on', async () => {
    const [stranger, faulty, key] = [randomUUID(), randomUUID(), randomUUID()];
    await publishCommand(stranger, 'stranger');
    await publishCommand(faulty, 'demo', { to: '0171 1234567' });
    await publishCommand(key);
    await eventually(() => {
      expect(deadLetters).toEqual(expect.arrayContaining([`stranger:${stranger}`, `demo:${faulty}`]));
      expect(states(key)).toEqual(['1 accepted']);
    });
  });
});
