import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type VerificationStateChanged, examples, topics } from '@signalbox/contracts';
import { createKafka, ensureTopics, EventProducer } from '@signalbox/kafka';
import { createDataSource, migrate } from '@signalbox/persistence';
import { type RunningService, startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testDatabase, type TestDatabase, testKafka } from '@signalbox/testing';
import type { Consumer } from 'kafkajs';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from '../test/builders.ts';
import { migrations } from './migrations/migrations.ts';
import { verifyService } from './service.ts';

const hex32 = '0'.repeat(32);
const tenantsFile = (token: string) => `version: 1
tenants:
  - name: demo
    twilio: { accountSid: AC${hex32}, apiKey: { sid: SK${hex32}, secret: env:SPEC_SECRET }, authTokens: [env:SPEC_SECRET] }
    apiTokens: [{ name: spec, sha256: ${createHash('sha256').update(token).digest('hex')}, scopes: [send, read] }]
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
  let folder: string;
  let database: TestDatabase;
  let service: RunningService;
  let consumer: Consumer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verify-svc-'));
    await writeFile(join(folder, 'tenants.yaml'), tenantsFile(token));
    process.env['SPEC_SECRET'] = 'secret';
    database = await testDatabase({
      migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
    });
    await ensureTopics(kafka, [topics.verifyCommands, topics.verifyEvents, topics.twilioVerifyCallbacks]);
    service = await startService(verifyService, {
      PORT: '0',
      LOG_LEVEL: 'fatal',
      KAFKA_BROKERS: names.brokers.join(','),
      KAFKA_GROUP_ID: names.group('verify-svc'),
      DATABASE_URL: database.url,
      TENANTS_FILE: join(folder, 'tenants.yaml'),
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
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const states = (key: string) => (events.get(key) ?? []).map(({ sequence, state }) => `${sequence} ${state}`);

  async function publishCommand(idempotencyKey: string, tenant = 'demo'): Promise<void> {
    const time = new Date().toISOString();
    const data = command({ idempotencyKey, tenant });
    const event = { id: randomUUID(), source: '//spec', type: 'verify.start.v1', time, data };
    await producer.publish(topics.verifyCommands, { key: `${tenant}:${idempotencyKey}`, event });
  }

  async function callBack(correlationId: string, status: string, tenant = 'demo'): Promise<void> {
    const time = new Date().toISOString();
    const data = { ...examples['twilio.verification.event.v1'], tenant, correlationId, status, receivedAt: time };
    const event = {
      id: `${correlationId}.${status}`,
      source: '//spec',
      type: 'twilio.verification.event.v1',
      time,
      data,
    };
    await producer.publish(topics.twilioVerifyCallbacks, { key: correlationId, event });
  }

  async function api(path: string, init: RequestInit = {}): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { authorization: `Bearer ${token}`, ...(init.body ? { 'content-type': 'application/json' } : {}) };
    const response = await fetch(`${service.url}${path}`, { ...init, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  const post = (request: object) => api('/v1/verifications', { method: 'POST', body: JSON.stringify(request) });

  function request(idempotencyKey: string, changes: object = {}): object {
    const { tenant: _tenant, ...rest } = command({ idempotencyKey });
    return { ...rest, ...changes };
  }

  it('is ready and describes itself', async () => {
    await eventually(async () =>
      expect((await api('/readyz')).body).toMatchObject({ checks: { kafka: 'ok', postgres: 'ok' } }),
    );
    const { paths } = (await api('/openapi.json')).body as { paths: object };
    expect(Object.keys(paths).sort()).toEqual(['/v1/verifications', '/v1/verifications/{id}']);
  });

  it('makes one verification of a command that comes three times, and follows it whatever order callbacks arrive in', async () => {
    const key = randomUUID();
    await Promise.all([publishCommand(key), publishCommand(key), publishCommand(key)]);
    const [first] = await eventually(() => {
      expect(states(key)).toEqual(['1 accepted']);
      return events.get(key) ?? [];
    });
    const id = first?.verificationId ?? '';
    await callBack(id, 'queued', 'stranger');
    await callBack(id, 'completed');
    await callBack(id, 'completed');
    await callBack(id, 'queued');
    await callBack(id, 'some_status_of_tomorrow');
    await eventually(async () => {
      const { status, body } = await api(`/v1/verifications/${id}`);
      expect(status).toBe(200);
      const history = body['history'] as { kind: string; detail: Record<string, unknown> }[];
      const callbacks = history.filter(({ kind }) => kind === 'callback');
      expect(callbacks.map(({ detail }) => [detail['status'], detail['outcome']])).toEqual([
        ['completed', 'applied'],
        ['queued', 'ignored'],
        ['some_status_of_tomorrow', 'unknown'],
      ]);
      const moves = history.filter(({ kind }) => kind === 'state');
      expect(moves.map(({ detail }) => detail['to'])).toEqual(['accepted', 'completed']);
    });
    await eventually(() => expect(states(key)).toEqual(['1 accepted', '2 completed']));
  });

  it('takes requests over HTTP once per key, and tells a repeat from another request', async () => {
    const key = randomUUID();
    const first = await post(request(key));
    expect(first).toMatchObject({ status: 202, body: { state: 'accepted', repeated: false } });
    const again = await post(request(key));
    expect(again).toMatchObject({
      status: 202,
      body: { verificationId: first.body['verificationId'], repeated: true },
    });
    expect(await post(request(key, { metadata: { another: 'request' } }))).toMatchObject({ status: 422 });
    await eventually(() => expect(states(key)).toEqual(['1 accepted']));
  });

  it('knows nothing of what is not there, and lets nobody in without a token', async () => {
    expect(await api(`/v1/verifications/${randomUUID()}`)).toMatchObject({ status: 404 });
    expect((await fetch(`${service.url}/v1/verifications/${randomUUID()}`)).status).toBe(401);
  });

  it('sets a command of an unknown tenant aside, and goes on', async () => {
    const [stranger, key] = [randomUUID(), randomUUID()];
    await publishCommand(stranger, 'stranger');
    await publishCommand(key);
    await eventually(() => {
      expect(deadLetters).toContain(`stranger:${stranger}`);
      expect(states(key)).toEqual(['1 accepted']);
    });
  });
});
