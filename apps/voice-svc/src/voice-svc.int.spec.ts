import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CallStateChanged, examples, topics } from '@signalbox/contracts';
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
import { voiceService } from './service.ts';

const hex32 = '0'.repeat(32);
// Its own, since specs share the broker.
const small = `small-${randomUUID().slice(0, 8)}`;
const tenantsFile = (token: string) => `version: 1
tenants:
  - name: demo
    # Nothing answers there: every attempt is turned away without having reached anybody.
    twilio:
      accountSid: AC${hex32}
      apiKey: { sid: SK${hex32}, secret: env:SPEC_SECRET }
      authTokens: [env:SPEC_SECRET]
      baseUrl: http://127.0.0.1:9
    senders: ['+14155550100']
    defaultSender: '+14155550100'
    voice: { quotas: { account: { rate: 1000 } } }
    apiTokens: [{ name: spec, sha256: ${createHash('sha256').update(token).digest('hex')}, scopes: [send, read, admin] }]
  # Nothing of it is placed today, so that what it asks for waits.
  - name: ${small}
    twilio:
      accountSid: AC${'1'.repeat(32)}
      apiKey: { sid: SK${'1'.repeat(32)}, secret: env:SPEC_SECRET }
      authTokens: [env:SPEC_SECRET]
      baseUrl: http://127.0.0.1:9
    senders: ['+14155550100']
    defaultSender: '+14155550100'
    voice: { quotas: { account: { dailyCap: 0 }, maxWaiting: 2 } }
    apiTokens: [{ name: spec, sha256: ${createHash('sha256').update(`${token}-small`).digest('hex')}, scopes: [send, read] }]
`;

describe('voice-svc, on a real Kafka and Postgres', () => {
  const token = randomUUID();
  const names = testKafka();
  const kafka = createKafka(
    { brokers: names.brokers, clientId: 'voice-svc-spec' },
    createLogger('spec', { level: 'silent' }),
  );
  const producer = new EventProducer(kafka);
  /** Every event, by idempotency key, in the order of its partition. */
  const events = new Map<string, CallStateChanged[]>();
  const deadLetters: (string | undefined)[] = [];
  const conferenceEvents: string[] = [];
  let folder: string;
  let database: TestDatabase;
  let service: RunningService;
  let consumer: Consumer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'voice-svc-'));
    await writeFile(join(folder, 'tenants.yaml'), tenantsFile(token));
    process.env['SPEC_SECRET'] = 'secret';
    database = await testDatabase({
      migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
    });
    await ensureTopics(kafka, [topics.voiceCommands, topics.voiceEvents, topics.twilioCallCallbacks]);
    service = await startService(voiceService, {
      PORT: '0',
      LOG_LEVEL: 'fatal',
      KAFKA_BROKERS: names.brokers.join(','),
      KAFKA_GROUP_ID: names.group('voice-svc'),
      DATABASE_URL: database.url,
      TENANTS_FILE: join(folder, 'tenants.yaml'),
      PUBLIC_BASE_URL: 'https://hooks.example.com',
      VOICE_PUBLIC_BASE_URL: 'https://voice.example.com',
      TRUSTED_PROXIES: '127.0.0.0/8',
      UNAUTHENTICATED_PER_MINUTE: '2',
    });
    consumer = kafka.consumer({ groupId: names.group('voice-svc-spec') });
    await consumer.connect();
    await consumer.subscribe({ topics: ['events.voice.v1', 'commands.voice.v1.dlq'], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        if (topic.endsWith('.dlq')) {
          deadLetters.push(message.key?.toString());
          return;
        }
        const type = String(message.headers?.['ce_type']);
        if (type === 'voice.conference.changed.v1') {
          conferenceEvents.push((JSON.parse(String(message.value)) as { conferenceSid: string }).conferenceSid);
        }
        if (type !== 'voice.call.state-changed.v1') return;
        const data = JSON.parse(String(message.value)) as CallStateChanged;
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

  async function publishCommand(idempotencyKey: string, tenant = 'demo', changes: object = {}): Promise<void> {
    const time = new Date().toISOString();
    const data = command({ idempotencyKey, tenant, ...changes });
    const event = { id: randomUUID(), source: '//spec', type: 'voice.place.v1', time, data };
    await producer.publish(topics.voiceCommands, { key: `${tenant}:${idempotencyKey}`, event });
  }

  async function callBack(correlationId: string, status: string, tenant = 'demo', more: object = {}): Promise<void> {
    const time = new Date().toISOString();
    const resourceSid = `CA${correlationId.replaceAll('-', '')}`;
    const params = { CallSid: resourceSid, CallStatus: status, From: '+14155550100', To: '+14155550199', ...more };
    const told = { tenant, correlationId, resourceSid, status, receivedAt: time, params };
    const data = { ...examples['twilio.call.status.v1'], ...told };
    const event = { id: `${correlationId}.${status}`, source: '//spec', type: 'twilio.call.status.v1', time, data };
    await producer.publish(topics.twilioCallCallbacks, { key: correlationId, event });
  }

  async function api(path: string, init: RequestInit = {}): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { authorization: `Bearer ${token}`, ...(init.body ? { 'content-type': 'application/json' } : {}) };
    const response = await fetch(`${service.url}${path}`, { ...init, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  const post = (request: object) => api('/v1/calls', { method: 'POST', body: JSON.stringify(request) });

  function request(idempotencyKey: string, changes: object = {}): object {
    const { tenant: _tenant, ...rest } = command({ idempotencyKey });
    return { ...rest, ...changes };
  }

  it('counts what fails to prove itself by its source behind the proxy, whatever it says of itself', async () => {
    const forge = async (forwardedFor: string) => {
      const headers = { 'x-forwarded-for': forwardedFor, 'content-type': 'application/x-www-form-urlencoded' };
      const body = 'CallSid=CA1&AccountSid=AC1';
      const { status } = await fetch(`${service.url}/twilio/voice/inbound`, { method: 'POST', headers, body });
      return status;
    };
    expect([await forge('192.0.2.1'), await forge('192.0.2.1'), await forge('192.0.2.1')]).toEqual([403, 403, 429]);
    expect(await forge('192.0.2.77, 192.0.2.1')).toBe(429);
    expect(await forge('192.0.2.2')).toBe(403);
  });

  it('is ready and describes itself', async () => {
    await eventually(async () =>
      expect((await api('/readyz')).body).toMatchObject({ checks: { kafka: 'ok', postgres: 'ok' } }),
    );
    const { paths } = (await api('/openapi.json')).body as { paths: object };
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/v1/calls',
        '/v1/calls/{id}',
        '/v1/calls/{id}/cancel',
        '/v1/recordings',
        '/v1/recordings/{id}',
        '/v1/recordings/{id}/media',
        '/v1/quotas',
      ]),
    );
  });

  it('makes one call of a command that comes three times, and follows it whatever order callbacks arrive in', async () => {
    const key = randomUUID();
    await Promise.all([publishCommand(key), publishCommand(key), publishCommand(key)]);
    const [first] = await eventually(() => {
      expect(states(key)).toEqual(['1 accepted', '2 submitting']);
      return events.get(key) ?? [];
    });
    const id = first?.callId ?? '';
    await callBack(id, 'queued', 'stranger');
    await callBack(id, 'in-progress');
    await callBack(id, 'in-progress');
    await callBack(id, 'ringing');
    await callBack(id, 'status-of-tomorrow');
    await callBack(id, 'completed', 'demo', { CallDuration: '7', AnsweredBy: 'human' });
    await eventually(() => expect(states(key)).toEqual(['1 accepted', '2 submitting', '3 answered', '4 completed']));
    expect(events.get(key)?.at(-1)).toMatchObject({ durationSeconds: 7, answeredBy: 'human', round: 1 });
    const { status, body } = await api(`/v1/calls/${id}`);
    expect(status).toBe(200);
    const history = body['history'] as { kind: string; detail: Record<string, unknown> }[];
    const callbacks = history.filter(({ kind }) => kind === 'callback');
    expect(callbacks.map(({ detail }) => [detail['status'], detail['outcome']])).toEqual([
      ['in-progress', 'applied'],
      ['ringing', 'ignored'],
      ['status-of-tomorrow', 'unknown'],
      ['completed', 'applied'],
    ]);
    // A callback told it before any answer did: there is nothing left to place.
    expect(body).toMatchObject({ nextAttemptAt: null });
    // Not what the stranger said of it.
    expect(body).toMatchObject({ tries: [{ status: 'completed', durationSeconds: 7 }] });
  });

  it('takes requests over HTTP once per key, and tells a repeat from another request', async () => {
    const key = randomUUID();
    const first = await post(request(key));
    expect(first).toMatchObject({ status: 202, body: { state: 'accepted', repeated: false } });
    const again = await post(request(key));
    expect(again).toMatchObject({ status: 202, body: { callId: first.body['callId'], repeated: true } });
    expect(await post(request(key, { metadata: { another: 'request' } }))).toMatchObject({ status: 422 });
    await eventually(() => expect(states(key).slice(0, 1)).toEqual(['1 accepted']));
    const { body } = await api(`/v1/calls?idempotencyKey=${key}`);
    expect(body).toMatchObject({ calls: [{ callId: first.body['callId'], to: '+14155550199' }], nextCursor: null });
  });

  it('turns away what a tenant asks for beyond what may wait, over HTTP at once and over Kafka to the dead letters', async () => {
    const place = (key: string) =>
      fetch(`${service.url}/v1/calls`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}-small`, 'content-type': 'application/json' },
        body: JSON.stringify(request(key)),
      });
    const [first, second, third, late] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    expect([(await place(first)).status, (await place(second)).status]).toEqual([202, 202]);
    const refused = await place(third);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
    expect((await place(first)).status).toBe(202);
    await publishCommand(late, small);
    await eventually(() => expect(deadLetters).toContain(`${small}:${late}`));
    expect(states(late)).toEqual([]);
  });

  it('refuses what cannot be called, over HTTP at once and over Kafka with an event', async () => {
    expect(await post(request(randomUUID(), { to: '0199' }))).toMatchObject({ status: 422 });
    const key = randomUUID();
    await publishCommand(key, 'demo', { from: '+14155559999' });
    await eventually(() => expect(states(key)).toEqual(['1 rejected']));
    expect(events.get(key)?.[0]?.error?.code).toBe('unknown_sender');
  });

  it('cancels over HTTP and Kafka what waits for its next attempt', async () => {
    for (const cancel of [
      async (id: string) =>
        expect(await api(`/v1/calls/${id}/cancel`, { method: 'POST' })).toMatchObject({ status: 200 }),
      async (callId: string) => {
        const event = { id: randomUUID(), source: '//spec', type: 'voice.cancel.v1', time: new Date().toISOString() };
        const data = { tenant: 'demo', callId };
        await producer.publish(topics.voiceCommands, { key: 'demo:x', event: { ...event, data } });
      },
    ]) {
      const key = randomUUID();
      const { body } = await post(request(key));
      await cancel(String(body['callId']));
      await eventually(() => expect(states(key).at(-1)).toMatch(/ canceled$/));
    }
    const unknown = randomUUID();
    expect(await api(`/v1/calls/${unknown}/cancel`, { method: 'POST' })).toMatchObject({ status: 404 });
  });

  it('knows who is in a conference, whatever order that was told in', async () => {
    const sid = `CF${randomUUID().replaceAll('-', '')}`;
    const ada = `CA${randomUUID().replaceAll('-', '')}`;
    const tell = async (sequence: number, kind: string, more: object, tenant = 'demo') => {
      const time = new Date(Date.UTC(2026, 10, 24, 18, 0, sequence)).toISOString();
      const params = { ConferenceSid: sid, FriendlyName: sid, StatusCallbackEvent: kind, ...more };
      const told = { tenant, correlationId: null, status: kind, sequence, providerTime: time, params };
      const data = { ...examples['twilio.call.status.v1'], ...told, resourceSid: ada };
      const event = { id: `${sid}/${sequence}`, source: '//spec', type: 'twilio.call.status.v1', time, data };
      await producer.publish(topics.twilioCallCallbacks, { key: ada, event });
    };
    const who = { CallSid: ada, Muted: 'false', Hold: 'false' };
    // Another tenant may name any SID: that neither takes it nor tells of it.
    await tell(1, 'participant-join', { ...who, CallSid: `CA${hex32}`, FriendlyName: 'stranger' }, 'stranger');
    await tell(4, 'participant-unmute', who);
    await tell(3, 'participant-mute', { ...who, Muted: 'true' });
    await tell(1, 'participant-join', who);
    await tell(1, 'participant-join', who);
    await tell(6, 'conference-end', { ReasonConferenceEnded: 'last-participant-left' });
    await tell(2, 'conference-start', who);
    await tell(5, 'participant-leave', who);
    await eventually(async () =>
      expect((await api(`/v1/conferences/${sid}`)).body).toEqual({
        conferenceSid: sid,
        name: sid,
        state: 'ended',
        startedAt: '2026-11-24T18:00:02.000Z',
        endedAt: '2026-11-24T18:00:06.000Z',
        reason: 'last-participant-left',
        participants: [
          {
            callSid: ada,
            joinedAt: '2026-11-24T18:00:01.000Z',
            leftAt: '2026-11-24T18:00:05.000Z',
            muted: false,
            hold: false,
          },
        ],
      }),
    );
    await eventually(() => expect(conferenceEvents.filter((one) => one === sid)).toHaveLength(7));
    expect((await api(`/v1/conferences?name=${sid}`)).body).toMatchObject({ conferences: [{ conferenceSid: sid }] });
    expect((await api(`/v1/conferences?running=true&name=${sid}`)).body).toEqual({ conferences: [] });
  });

  it('lets an operator settle only what is in doubt', async () => {
    const { body } = await post(request(randomUUID()));
    const settle = (id: unknown) =>
      api(`/v1/calls/${String(id)}/settle`, { method: 'POST', body: JSON.stringify({ as: 'failed' }) });
    expect(await settle(body['callId'])).toMatchObject({ status: 409 });
    expect(await settle(randomUUID())).toMatchObject({ status: 404 });
    const dataSource = await createDataSource({ url: database.url, applicationName: 'spec' }).initialize();
    const doubt = { state: 'in_doubt', lease: new Date(Date.now() + 3_600_000) };
    // As a crash leaves it: the attempt is open, and nothing is due.
    await eventually(async () => {
      // Out of its line, where it is only while no attempt is under way.
      const taken = await dataSource.query<unknown[]>(
        `with taken as (update calls set due_at = null where id = $1 and due_at is not null and attempt > 0 returning id) select from taken`,
        [body['callId']],
      );
      expect(taken).toHaveLength(1);
    });
    await dataSource.query(
      `update attempts set state = $2, lease_until = $3 where call_id = $1 and number = (select attempt from calls where id = $1)`,
      [body['callId'], doubt.state, doubt.lease],
    );
    await dataSource.destroy();
    expect(await settle(body['callId'])).toMatchObject({ status: 200, body: { state: 'failed' } });
  });

  it('keeps recordings of any call, once each, and tells of what was said', async () => {
    const recordingSid = `RE${randomUUID().replaceAll('-', '')}`;
    const callSid = `CA${randomUUID().replaceAll('-', '')}`;
    const told = { ...examples['twilio.recording.status.v1'], resourceSid: recordingSid, callSid };
    const params = { RecordingSid: recordingSid, RecordingDuration: '13', RecordingChannels: '1' };
    for (const [tenant, status] of [
      // It may name any SID, and that takes nothing from whose it is.
      ['stranger', 'failed'],
      ['demo', 'completed'],
      ['demo', 'in-progress'],
      ['demo', 'completed'],
    ] as const) {
      const event = { id: `${recordingSid}/${status}`, source: '//spec', type: 'twilio.recording.status.v1' };
      const time = new Date().toISOString();
      const data = { ...told, tenant, correlationId: null, status, params, receivedAt: time };
      await producer.publish(topics.twilioCallCallbacks, { key: 'CA', event: { ...event, time, data } });
    }
    await eventually(async () =>
      expect(await api(`/v1/recordings/${recordingSid}`)).toMatchObject({
        status: 200,
        body: { state: 'completed', durationSeconds: 13, deletion: null, accesses: [] },
      }),
    );
    const list = await api(`/v1/recordings?state=completed&callSid=${callSid}`);
    expect(list.body).toMatchObject({ recordings: [{ recordingId: recordingSid }], nextBefore: null });
    // The provider cannot be reached: that somebody asked is kept all the same.
    expect(await api(`/v1/recordings/${recordingSid}/media`)).toMatchObject({ status: 502 });
    const { body } = await api(`/v1/recordings/${recordingSid}`);
    expect(body['accesses']).toMatchObject([{ by: 'spec', range: null }]);
    expect((await fetch(`${service.url}/v1/recordings/${recordingSid}/media`)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    const removal = await fetch(`${service.url}/v1/recordings/${recordingSid}`, { method: 'DELETE', headers });
    expect(removal.status).toBe(202);
    // Nothing answers: it is due, and not proven to be gone.
    expect(body['deleteAt']).toBeNull();
    expect((await api(`/v1/recordings/${recordingSid}`)).body).toMatchObject({
      state: 'completed',
      deleteAt: expect.any(String),
      deletion: null,
    });
  });

  it('knows nothing of what is not there, and lets nobody in without a token', async () => {
    expect(await api(`/v1/calls/${randomUUID()}`)).toMatchObject({ status: 404 });
    expect((await fetch(`${service.url}/v1/calls/${randomUUID()}`)).status).toBe(401);
  });

  it('sets a command of an unknown tenant aside, and goes on', async () => {
    const [stranger, key] = [randomUUID(), randomUUID()];
    await publishCommand(stranger, 'stranger');
    await publishCommand(key);
    await eventually(() => {
      expect(deadLetters).toContain(`stranger:${stranger}`);
      expect(states(key).slice(0, 1)).toEqual(['1 accepted']);
    });
  });
});
