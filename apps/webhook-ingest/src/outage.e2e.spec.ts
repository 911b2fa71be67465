import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import {
  type Child,
  freePort,
  type KafkaHandle,
  repository,
  startChild,
  startKafka,
} from '@signalbox/testing/platform';
import { Agent, request } from 'undici';
import { authToken, callbackTopics, EdgeTenant, publicBaseUrl, secretPath } from './fixtures/edge.ts';

/** Half of it before the edge is killed, half after. `OUTAGE_SECONDS=60` for the long one. */
const outageMs = Number(process.env['OUTAGE_SECONDS'] ?? 6) * 1000;
const ratePerSecond = 300;

/** Callbacks of one key, sent one after the other. */
interface Chain {
  readonly name: string;
  next: number;
  last: Promise<unknown>;
  readonly send: (marker: string) => Promise<number>;
}

const tenant = new EdgeTenant();
const agent = new Agent({ connections: 64 });
const acknowledged: string[] = [];
const refusals: number[] = [];

let folder: string;
let kafka: KafkaHandle | undefined;
let ports: { edge: number; kafka: number };
let edge: Child | undefined;

const base = () => `http://127.0.0.1:${ports.edge}`;
const broker = async () => (kafka = await startKafka({ port: ports.kafka, dataDir: join(folder, 'kafka') }));

async function startEdge(): Promise<void> {
  edge = startChild({
    name: 'webhook-ingest',
    command: process.execPath,
    args: [join(repository, 'apps/webhook-ingest/dist/main.js')],
    cwd: repository,
    logFile: join(folder, 'edge.log'),
    env: {
      PORT: String(ports.edge),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      PUBLIC_BASE_URL: publicBaseUrl,
      TENANTS_FILE: join(folder, 'tenants.yaml'),
      KAFKA_BROKERS: `127.0.0.1:${ports.kafka}`,
      SPOOL_DIR: join(folder, 'spool'),
      BLOB_DIR: join(folder, 'blobs'),
      SECRET: 'api-secret',
      NEXT: 'next-token',
      CURRENT: authToken,
      SECRET_PATH: secretPath,
    },
  });
  await until(async () => (await metrics()) !== undefined);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within a minute');
    await delay(50);
  }
}

/** Undefined while nobody answers. */
async function metrics(): Promise<string | undefined> {
  try {
    return await (await request(`${base()}/metrics`, { dispatcher: agent })).body.text();
  } catch {
    return undefined;
  }
}

async function send(path: string, { headers, body }: RequestInit): Promise<number> {
  const answer = await request(base() + path, {
    method: 'POST',
    dispatcher: agent,
    headers: headers as Record<string, string>,
    body: body as string,
  });
  await answer.body.dump();
  return answer.statusCode;
}

/** Of every route some keys; what marks a callback is a parameter nobody knows, which has to come through as any other. */
function chains(): Chain[] {
  const hex = () => randomBytes(16).toString('hex');
  const form = (path: string, body: (marker: string) => string) => (marker: string) =>
    send(path, tenant.form(path, `${body(marker)}&AccountSid=${tenant.accountSid}&marker=${marker}`));
  const kinds: (() => Chain['send'])[] = [
    () => form(`/twilio/sms/status?messageId=${randomUUID()}`, (marker) => `MessageSid=${marker}&MessageStatus=sent`),
    () => form('/twilio/sms/inbound', (marker) => `MessageSid=${marker}&From=%2B1${hex()}&To=55501`),
    (sid = `CA${hex()}`) =>
      form('/twilio/voice/status', (marker) => `CallSid=${sid}&CallStatus=ringing&SequenceNumber=${marker.slice(7)}`),
    (sid = `CA${hex()}`) =>
      form('/twilio/voice/recording', (marker) => `CallSid=${sid}&RecordingSid=${marker}&RecordingStatus=completed`),
    (sid = `CA${hex()}`) =>
      form(
        '/twilio/voice/transcription',
        (marker) => `CallSid=${sid}&TranscriptionSid=${marker}&TranscriptionStatus=failed`,
      ),
    (sid = `YF${hex()}`) =>
      form('/twilio/verify/events', (marker) => `factor_sid=${sid}&type=factor.verified&uuid=${marker}`),
    (sid = `FN${hex()}`) => form('/twilio/studio/events', () => `ExecutionSid=${sid}`),
    (sid = `CA${hex()}`) =>
      form(
        '/twilio/debugger',
        (marker) => `Sid=${marker}&Level=ERROR&Payload=${encodeURIComponent(`{"resource_sid":"${sid}"}`)}`,
      ),
    (sid = `VE${hex()}`) =>
      (marker) => {
        const data = { account_sid: tenant.accountSid, verification_sid: sid, marker };
        const type = 'com.twilio.accountsecurity.verify.verification.pending';
        return send(...tenant.json('/twilio/events', [{ specversion: '1.0', id: marker, type, data }]));
      },
    (id = hex()) =>
      (marker) => {
        const event = { email: 'a@example.com', event: 'click', timestamp: 1_795_543_200, url: marker, marker };
        const body = JSON.stringify([{ ...event, sb_message_id: id }]);
        const headers = { 'content-type': 'application/json', ...tenant.sendgrid(Buffer.from(body)) };
        return send('/sendgrid/events', { headers, body });
      },
    (from = `${hex()}@example.com`) =>
      (marker) => {
        const part = (name: string, value: string) =>
          `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
        const body = `${part('headers', `Message-ID: <${marker}@x>`)}${part('envelope', `{"to":["b@x"],"from":"${from}"}`)}${part('marker', marker)}--x--\r\n`;
        return send(`/sendgrid/inbound/${secretPath}`, {
          headers: { 'content-type': 'multipart/form-data; boundary=x' },
          body,
        });
      },
  ];
  return Array.from({ length: 4 }, () => kinds)
    .flat()
    .map((make, i) => ({ name: `chain${String(i).padStart(2, '0')}`, next: 0, last: Promise.resolve(), send: make() }));
}

function startLoad(all: readonly Chain[]): () => Promise<void> {
  let turn = 0;
  const one = async (chain: Chain) => {
    const marker = chain.name + String(chain.next++).padStart(6, '0');
    // Nobody is there while the edge is dead; then nothing is acknowledged either.
    const status = await chain.send(marker).catch(() => 0);
    if (status >= 200 && status < 300) acknowledged.push(marker);
    else if (status !== 0) refusals.push(status);
  };
  const timer = setInterval(() => {
    for (let i = 0; i < ratePerSecond / 50; i++) {
      const chain = all[turn++ % all.length];
      if (chain) chain.last = chain.last.then(() => one(chain));
    }
  }, 20);
  return async () => {
    clearInterval(timer);
    await Promise.all(all.map(({ last }) => last));
  };
}

/** Everything in the topics, in the order of each partition. */
async function readAll(atLeast: number): Promise<{ marker: string; key: string; id: string }[]> {
  const client = createKafka({ brokers: [`127.0.0.1:${ports.kafka}`], clientId: 'outage' }, silent);
  const consumer = client.consumer({ groupId: 'outage' });
  const records: { marker: string; key: string; id: string }[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: callbackTopics.map(({ name }) => name), fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, message }) => {
      const { params } = JSON.parse(String(message.value)) as { params: { marker: string } };
      records.push({
        marker: params.marker,
        key: `${topic} ${String(message.key)}`,
        id: String(message.headers?.['ce_id']),
      });
    },
  });
  await until(async () => new Set(records.map(({ marker }) => marker)).size >= atLeast);
  await consumer.disconnect();
  return records;
}

const silent = createLogger('outage-spec', { level: 'silent' });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outage-'));
  ports = { edge: await freePort(), kafka: await freePort() };
  await writeFile(join(folder, 'tenants.yaml'), tenant.yaml);
  const { brokers } = await broker();
  await ensureTopics(createKafka({ brokers: [brokers], clientId: 'outage' }, silent), callbackTopics);
});

afterAll(async () => {
  await edge?.kill();
  await kafka?.kill();
  await agent.close();
  await rm(folder, { recursive: true, force: true });
});

describe('with the broker away and the edge killed in the middle', () => {
  it(
    `every acknowledged callback of every route is in its topic, in order, ${outageMs / 1000} s at ${ratePerSecond}/s`,
    async () => {
      await startEdge();
      const stopLoad = startLoad(chains());
      await until(async () => acknowledged.length > ratePerSecond);
      await kafka?.kill();
      await delay(outageMs / 2);
      const beforeTheKill = acknowledged.length;
      await edge?.kill();
      await startEdge();
      await delay(outageMs / 2);
      expect(acknowledged.length).toBeGreaterThan(beforeTheKill);
      await broker();
      await until(async () => /^signalbox_spool_records 0$/m.test((await metrics()) ?? ''));
      await stopLoad();

      expect(refusals).toEqual([]);
      const records = await readAll(new Set(acknowledged).size);
      const present = new Set(records.map(({ marker }) => marker));
      expect(acknowledged.filter((marker) => !present.has(marker))).toEqual([]);

      const idOf = new Map<string, string>();
      const lastOf = new Map<string, string>();
      const disorder: string[] = [];
      for (const { marker, key, id } of records) {
        const chain = `${key} ${marker.slice(0, 7)}`;
        if (idOf.has(marker)) expect(id).toBe(idOf.get(marker));
        else if (marker < (lastOf.get(chain) ?? '')) disorder.push(marker);
        else lastOf.set(chain, marker);
        idOf.set(marker, id);
      }
      expect(disorder).toEqual([]);
    },
    120_000 + 2 * outageMs,
  );
});
