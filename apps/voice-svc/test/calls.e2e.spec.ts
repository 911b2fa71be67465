import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type CallFacts,
  type CallStateChanged,
  type RecordingChanged,
  toHeaders,
  topics,
  type TranscriptionReceived,
} from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { randomUUID } from 'node:crypto';

interface Placed {
  readonly sid: string;
  readonly to: string;
  readonly body: string;
  readonly status: string;
  readonly direction: string;
  readonly errors: object[];
}

interface Story {
  readonly state: string;
  readonly round: number;
  readonly attempts: { state: string }[];
  readonly tries: { callSid: string; price: string | null }[];
  readonly recordings: string[];
}

const service = 'voice-svc';

/** Outbound calls and recordings: the built services, Kafka, Postgres and the provider's stand-in. */
describe('voice-svc', () => {
  let system: TestSystem;
  let directory: string;
  let producer: Producer;
  let consumer: Consumer;
  const states = new Map<string, CallStateChanged[]>();
  const facts = new Map<string, CallFacts[]>();
  const recordings = new Map<string, RecordingChanged[]>();
  const transcriptions = new Map<string, TranscriptionReceived[]>();
  let numbers = 0;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'voice-'));
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc', 'voice-svc'],
      tenant: { voice: { quotas: { account: { rate: 500 } }, recordings: { retention: 'PT3S' } } },
      env: {
        NODE_ENV: 'test',
        FAILPOINTS_DIR: directory,
        PROVIDER_TIMEOUT_MS: '1500',
        ATTEMPT_LEASE_MS: '6500',
        IN_DOUBT_SETTLE_MS: '500',
        CALLBACK_OVERDUE_MS: '4000',
        PRICE_POLL_MS: '500',
        RECORDINGS_POLL_MS: '200',
      },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    producer = kafka.producer({ idempotent: true });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await Promise.all([producer.connect(), consumer.connect()]);
    await consumer.subscribe({ topics: [topics.voiceEvents.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const data: unknown = JSON.parse(String(message.value));
        const keep = <Data>(map: Map<string, Data[]>, key: (data: Data) => string) => {
          const one = data as Data;
          map.set(key(one), [...(map.get(key(one)) ?? []), one]);
        };
        switch (String(message.headers?.['ce_type'])) {
          case 'voice.call.state-changed.v1':
            return keep(states, ({ idempotencyKey }: CallStateChanged) => idempotencyKey);
          case 'voice.call.facts.v1':
            return keep(facts, ({ callSid }: CallFacts) => callSid);
          case 'voice.transcription.received.v1':
            return keep(transcriptions, ({ recordingId }: TranscriptionReceived) => recordingId ?? '');
          case 'voice.recording.changed.v1':
            return keep(recordings, ({ recordingId }: RecordingChanged) => recordingId);
        }
      },
    });
  }, 120_000);

  afterEach(() => faults({}));

  afterAll(async () => {
    await Promise.all([producer?.disconnect(), consumer?.disconnect()]);
    await system?.stop();
    await rm(directory, { recursive: true });
  }, 60_000);

  const number = () => `+1415555${String(1000 + numbers++)}`;

  async function call<Body>(base: string | undefined, route: string, body?: object): Promise<Body> {
    const response = await fetch(`${base}${route}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        authorization: `Bearer ${system.info.tokens.admin}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    expect([response.status < 300, response.status < 300 ? '' : text]).toEqual([true, '']);
    return JSON.parse(text) as Body;
  }

  const api = <Body>(route: string, body?: object) => call<Body>(system.info.services[service], route, body);
  const faults = (plan: object) => call(system.info.simulator, '/_sim/faults', plan);
  const placed = async (to: string) =>
    (await call<Placed[]>(system.info.simulator, `/_sim/calls?to=${encodeURIComponent(to)}`)).filter(
      ({ direction }) => direction === 'outbound-api',
    );

  /** As a client does: again under the same key until there is an answer. */
  async function place(more: object = {}): Promise<{ id: string; key: string; to: string }> {
    const request = { idempotencyKey: randomUUID(), to: number(), say: 'Your order has shipped', ...more };
    const { callId } = await eventually(() => api<{ callId: string }>('/v1/calls', request), { timeout: 60_000 });
    return { id: callId, key: request.idempotencyKey, to: request.to };
  }

  const told = (key: string) => (states.get(key) ?? []).map(({ state }) => state);
  const ends = (key: string, state: string, timeout = 30_000) =>
    eventually(() => expect(told(key).at(-1)).toBe(state), { timeout });
  const callees = (prefix: string, callee: object) => faults({ calls: { callees: [{ prefix, ...callee }] } });

  it('reads a text out to whoever answers, and tells each step and what it cost', async () => {
    const { id, key, to } = await place({ machineDetection: 'detect' });
    await ends(key, 'completed');
    expect(told(key)).toEqual(['accepted', 'submitting', 'submitted', 'ringing', 'answered', 'completed']);
    expect(states.get(key)?.at(-1)).toMatchObject({ answeredBy: 'human', round: 1, error: null });
    expect(await placed(to)).toMatchObject([{ body: 'Your order has shipped', status: 'completed', errors: [] }]);
    await eventually(async () =>
      expect(await api<Story>(`/v1/calls/${id}`)).toMatchObject({ tries: [{ price: '-0.01400' }] }),
    );
    const { tries } = await api<Story>(`/v1/calls/${id}`);
    await eventually(() =>
      expect(facts.get(tries[0]?.callSid ?? '')).toMatchObject([
        { callId: id, status: 'completed', price: '-0.01400', currency: 'USD', sipResponseCode: 200 },
      ]),
    );
  }, 60_000);

  it('runs a flow with whoever answers, and places no call for one that is not there', async () => {
    const flow = {
      format: 1,
      start: 'ask',
      nodes: {
        ask: {
          type: 'menu',
          prompt: 'Press 1 to confirm',
          choices: { '1': 'thanks' },
          noInput: 'bye',
          noMatch: 'bye',
        },
        thanks: { type: 'say', prompt: 'Confirmed', next: 'bye' },
        bye: { type: 'hangup' },
      },
    };
    const stored = await fetch(`${system.info.services[service]}/v1/flows/confirm`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${system.info.tokens.admin}`, 'content-type': 'application/json' },
      body: JSON.stringify(flow),
    });
    expect([stored.status, stored.status === 200 ? '' : await stored.text()]).toEqual([200, '']);
    const to = number();
    await callees(to, { script: [{ press: '1' }] });
    const { key } = await place({ to, say: null, flow: 'confirm' });
    await ends(key, 'completed');
    expect(await placed(to)).toMatchObject([{ body: 'Press 1 to confirm\nConfirmed', errors: [] }]);
    const { key: other, to: nobody } = await place({ say: null, flow: 'never-stored' });
    await ends(other, 'rejected');
    expect(await placed(nobody)).toEqual([]);
  }, 60_000);

  it('is what a message falls back to that could not be delivered', async () => {
    const to = '+14159990001';
    await faults({ errors: [{ prefix: '+1415999', code: 30003 }] });
    const data = {
      tenant: 'demo',
      idempotencyKey: randomUUID(),
      to,
      body: 'Your code is on its way',
      fallback: [{ channel: 'voice' }],
    };
    const head = {
      id: data.idempotencyKey,
      source: '//e2e',
      type: 'messaging.send.v1',
      time: new Date().toISOString(),
    };
    const message = { key: `demo:${to}`, value: JSON.stringify(data), headers: toHeaders({ ...head, data }) };
    await producer.send({ topic: topics.messagingCommands.name, acks: -1, messages: [message] });
    const [event] = await eventually(
      () => {
        const own = [...states.values()].flat().filter((one) => one.to === to && one.state === 'completed');
        expect(own).toHaveLength(1);
        return own;
      },
      { timeout: 30_000 },
    );
    expect(event?.correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect(await placed(to)).toMatchObject([{ body: 'Your code is on its way' }]);
  }, 60_000);

  it('calls again while the line is busy, as often as the request wants', async () => {
    const to = number();
    await callees(to, { outcome: 'busy' });
    const { id, key } = await place({ to, retry: { on: ['busy'], attempts: 2, delaySeconds: 1 } });
    await ends(key, 'busy');
    expect(told(key).filter((state) => state === 'waiting')).toHaveLength(1);
    expect(states.get(key)?.at(-1)).toMatchObject({ round: 2, error: { code: 'busy' } });
    expect(await placed(to)).toMatchObject([{ status: 'busy' }, { status: 'busy' }]);
    expect((await api<Story>(`/v1/calls/${id}`)).tries).toHaveLength(2);
  }, 60_000);

  it.each([
    ['no-answer', 'no_answer'],
    ['failed', 'call_failed'],
  ])(
    'calls again after %s, and no more once somebody answers',
    async (outcome, code) => {
      const to = number();
      await callees(to, { outcome });
      const { id, key } = await place({ to, retry: { on: [outcome], attempts: 9, delaySeconds: 2 } });
      await eventually(() => expect(told(key)).toContain('waiting'));
      await faults({});
      await ends(key, 'completed');
      const moves = states.get(key) ?? [];
      expect(moves.find(({ state }) => state === 'waiting')).toMatchObject({ round: 1, error: { code } });
      const calls = await placed(to);
      expect(calls.length).toBeGreaterThan(1);
      expect(calls.map(({ status }) => status)).toEqual([
        ...Array<string>(calls.length - 1).fill(outcome),
        'completed',
      ]);
      expect(moves.at(-1)).toMatchObject({ round: calls.length, error: null });
      // Each round has a call of its own, and they are told apart.
      const { tries } = await api<Story>(`/v1/calls/${id}`);
      expect(tries.map(({ callSid }) => callSid)).toEqual(calls.map(({ sid }) => sid));
    },
    60_000,
  );

  it('does not call again after an outcome that the request does not name', async () => {
    const to = number();
    await callees(to, { outcome: 'failed' });
    const { key } = await place({ to, retry: { on: ['busy', 'no-answer'], attempts: 3, delaySeconds: 1 } });
    await ends(key, 'failed');
    expect(told(key)).not.toContain('waiting');
    expect(states.get(key)?.at(-1)).toMatchObject({ round: 1, error: { code: 'call_failed' } });
    expect(await placed(to)).toHaveLength(1);
  }, 60_000);

  it('lets it ring as long as the request says, and talk no longer', async () => {
    const late = number();
    const talkative = number();
    await faults({
      calls: {
        callees: [
          { prefix: late, ringSeconds: 400 },
          { prefix: talkative, ringSeconds: 1 },
        ],
      },
    });
    const [unheard, cut] = await Promise.all([
      place({ to: late, ringSeconds: 5 }),
      place({
        to: talkative,
        say: 'A text that takes much longer to be read out than that. '.repeat(20),
        maxDurationSeconds: 7,
      }),
    ]);
    await ends(unheard.key, 'no-answer');
    expect(states.get(unheard.key)?.at(-1)).toMatchObject({ error: { code: 'no_answer' } });
    await ends(cut.key, 'completed');
    expect(states.get(cut.key)?.at(-1)).toMatchObject({ durationSeconds: 7 });
  }, 60_000);

  it.each([
    ['off', 'machine_start', null],
    ['detect', 'machine_start', 'machine_start'],
    ['detect', 'fax', 'fax'],
    ['detect_message_end', 'machine_start', 'machine_end_beep'],
    ['detect_message_end', 'human', 'human'],
  ])(
    'with machine detection %s tells of %s: %s',
    async (machineDetection, answeredBy, expected) => {
      const to = number();
      await callees(to, { answeredBy });
      const { id, key } = await place({ to, machineDetection });
      await ends(key, 'completed');
      expect(states.get(key)?.at(-1)).toMatchObject({ answeredBy: expected });
      expect(await api(`/v1/calls/${id}`)).toMatchObject({ answeredBy: expected });
      expect(await placed(to)).toMatchObject([{ body: 'Your order has shipped', errors: [] }]);
    },
    60_000,
  );

  it('does not call again what somebody cancels between two calls', async () => {
    const [to, longer] = [number(), number()];
    await faults({ calls: { callees: [to, longer].map((prefix) => ({ prefix, outcome: 'busy' })) } });
    const { id, key } = await place({ to, retry: { on: ['busy'], attempts: 3, delaySeconds: 12 } });
    await ends(key, 'waiting');
    expect(await api(`/v1/calls/${id}/cancel`, {})).toMatchObject({ state: 'canceled', ending: false });
    // By the time another one has been called again, so would this one have been.
    const other = await place({ to: longer, retry: { on: ['busy'], attempts: 2, delaySeconds: 13 } });
    await ends(other.key, 'busy', 60_000);
    expect(await placed(longer)).toHaveLength(2);
    expect(told(key).at(-1)).toBe('canceled');
    expect(await placed(to)).toHaveLength(1);
  }, 120_000);

  it('hangs up what somebody cancels while they talk', async () => {
    const to = number();
    await faults({ calls: { speed: 1, callees: [{ prefix: to, ringSeconds: 0 }] } });
    const { id, key } = await place({ to, say: 'A text that takes minutes to be read out. '.repeat(60) });
    await ends(key, 'answered');
    expect(await api(`/v1/calls/${id}/cancel`, {})).toMatchObject({ ending: true });
    await ends(key, 'completed');
    expect(await placed(to)).toHaveLength(1);
  }, 60_000);

  it('hangs up what somebody cancels while it rings', async () => {
    const to = number();
    await callees(to, { ringSeconds: 500 });
    const { id, key } = await place({ to, ringSeconds: 600 });
    await ends(key, 'ringing');
    expect(await api(`/v1/calls/${id}/cancel`, {})).toMatchObject({ ending: true });
    await ends(key, 'canceled');
    expect(await placed(to)).toMatchObject([{ status: 'canceled' }]);
  }, 60_000);

  it('hears from the provider what no callback told', async () => {
    await faults({ callbacks: { drop: 1 } });
    const { key } = await place();
    await ends(key, 'completed', 60_000);
  }, 90_000);

  it('places a call once whose answer got lost, and one again that was never taken', async () => {
    await faults({ operations: ['create'], rates: { timeoutBefore: 0.4, timeoutAfter: 0.4 }, seed: 5 });
    const all = await Promise.all(Array.from({ length: 12 }, () => place()));
    await eventually(async () => {
      const open = await Promise.all(all.map(({ id }) => api<Story>(`/v1/calls/${id}`)));
      expect(
        open.flatMap(({ attempts }) => attempts).filter(({ state }) => state !== 'calling').length,
      ).toBeGreaterThan(11);
    });
    await faults({});
    for (const { key } of all) await ends(key, 'completed', 60_000);
    for (const { to } of all) expect(await placed(to)).toHaveLength(1);
    const stories = await Promise.all(all.map(({ id }) => api<Story>(`/v1/calls/${id}`)));
    expect(stories.flatMap(({ attempts }) => attempts.map(({ state }) => state))).toContain('not_taken');
  }, 150_000);

  describe('cut at a boundary as by kill -9', () => {
    async function dieAt(point: string, happen: () => Promise<unknown>): Promise<void> {
      const file = path.join(directory, point);
      const before = system.info.pids[service];
      await writeFile(file, '');
      await happen();
      await eventually(
        async () => {
          await expect(access(file)).rejects.toThrow();
          expect(system.info.pids[service]).not.toBe(before);
        },
        { timeout: 60_000 },
      );
    }

    it.each([
      'acceptance.answering',
      'dispatch.claimed',
      'dispatch.sent',
      'dispatch.answered',
      'dispatch.settled',
      'progress.committed',
      'outbox.produced',
    ])(
      '%s loses no call and places none twice',
      async (point) => {
        // Its own process alone: the failpoints of the libraries are the messaging service's too.
        let all: { key: string; to: string }[] = [];
        await dieAt(point, async () => {
          all = await Promise.all(Array.from({ length: 3 }, () => place()));
        });
        for (const { key } of all) await ends(key, 'completed', 90_000);
        for (const { key, to } of all) {
          expect(await placed(to)).toHaveLength(1);
          const sequences = (states.get(key) ?? []).map(({ sequence }) => sequence);
          expect(sequences).toEqual(sequences.map((_, index) => index + 1));
        }
      },
      180_000,
    );
  });

  describe('a recording', () => {
    /** A call of another application of the account, which records and calls back here. */
    async function record(): Promise<string> {
      const { simulator, publicBaseUrls } = system.info;
      const callback = `${publicBaseUrls['webhook-ingest']}/twilio/voice/recording`;
      const to = number();
      await callees(to, { script: [{ say: 'Please call me back' }, { press: '#' }] });
      const { DEMO_ACCOUNT: account, auth } = {
        DEMO_ACCOUNT: 'AC00000000000000000000000000000001',
        auth: system.info.tokens.webhookAuth,
      };
      const transcribed = callback.replace('recording', 'transcription');
      const twiml = `<Response><Record maxLength="30" recordingStatusCallback="${callback}" transcribe="true" transcribeCallback="${transcribed}"/></Response>`;
      const response = await fetch(`${simulator}/2010-04-01/Accounts/${account}/Calls.json`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${account}:${auth}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ To: to, From: '+14155550100', Twiml: twiml }),
      });
      expect(response.status).toBe(201);
      const { sid } = (await response.json()) as { sid: string };
      const [recording] = await eventually(async () => {
        const { recordings: found } = await api<{ recordings: { recordingId: string }[] }>(
          `/v1/recordings?callSid=${sid}`,
        );
        expect(found).toHaveLength(1);
        return found;
      });
      return recording?.recordingId ?? '';
    }

    it('is heard only with a token, by whom is kept, in parts too; and is gone, with proof, when its time is over', async () => {
      const id = await record();
      const media = `${system.info.services[service]}/v1/recordings/${id}/media`;
      const headers = { authorization: `Bearer ${system.info.tokens.read}` };
      expect((await fetch(media)).status).toBe(401);
      const whole = await fetch(media, { headers });
      expect([whole.status, whole.headers.get('content-type'), whole.headers.get('cache-control')]).toEqual([
        200,
        'audio/x-wav',
        'private, no-store',
      ]);
      const sound = Buffer.from(await whole.arrayBuffer());
      expect(sound.subarray(0, 4).toString()).toBe('RIFF');
      const part = await fetch(media, { headers: { ...headers, range: 'bytes=8-11' } });
      expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
        206,
        `bytes 8-11/${sound.length}`,
        'WAVE',
      ]);
      const accesses = await api<{ accesses: object[] }>(`/v1/recordings/${id}`);
      expect(accesses.accesses).toMatchObject([
        { by: 'read', range: 'bytes=8-11' },
        { by: 'read', range: null },
      ]);

      await eventually(() =>
        expect(transcriptions.get(id)).toMatchObject([{ text: 'Please call me back', final: true }]),
      );
      await eventually(
        () => expect(recordings.get(id)?.at(-1)).toMatchObject({ state: 'deleted', proof: { fetchStatus: 404 } }),
        { timeout: 30_000 },
      );
      expect(await api(`/v1/recordings/${id}`)).toMatchObject({ state: 'deleted', deletion: { fetchStatus: 404 } });
      expect((await fetch(media, { headers })).status).toBe(410);
      const sequences = (recordings.get(id) ?? []).map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    }, 90_000);
  });
});
