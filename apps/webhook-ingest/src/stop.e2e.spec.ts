import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import { type Child, freePort, repository, startChild } from '@signalbox/testing/platform';
import { Agent, request } from 'undici';
import { authToken, EdgeTenant, publicBaseUrl, secretPath } from './fixtures/edge.ts';

const kafka = testKafka();
const client = createKafka(
  { brokers: kafka.brokers, clientId: 'stop-spec' },
  createLogger('stop-spec', { level: 'silent' }),
);
const consumer = client.consumer({ groupId: kafka.group('stop') });
const tenant = new EdgeTenant();
const agent = new Agent({ connections: 32 });
const stored = new Set<string>();
let folder: string;
let port: number;
let edge: Child;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stop-'));
  await writeFile(join(folder, 'tenants.yaml'), tenant.yaml);
  const topic = topics.twilioMessageCallbacks;
  await ensureTopics(client, [topic]);
  await consumer.connect();
  await consumer.subscribe({ topic: topic.name, fromBeginning: false });
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { params } = JSON.parse(String(message.value)) as { params: { marker?: string } };
      if (params.marker) stored.add(params.marker);
    },
  });
  await joined;
  port = await freePort();
  edge = startChild({
    name: 'webhook-ingest',
    command: process.execPath,
    args: [join(repository, 'apps/webhook-ingest/dist/main.js')],
    cwd: repository,
    logFile: join(folder, 'edge.log'),
    env: {
      PORT: String(port),
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      PUBLIC_BASE_URL: publicBaseUrl,
      TENANTS_FILE: join(folder, 'tenants.yaml'),
      KAFKA_BROKERS: kafka.brokers.join(','),
      SPOOL_DIR: join(folder, 'spool'),
      BLOB_DIR: join(folder, 'blobs'),
      SECRET: 'api-secret',
      NEXT: 'next-token',
      CURRENT: authToken,
      SECRET_PATH: secretPath,
    },
  });
  await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200));
});

afterAll(async () => {
  await edge?.kill();
  await agent.close();
  await consumer.disconnect();
  await rm(folder, { recursive: true, force: true });
});

/** Says this much and then goes on, a byte at a time, for as long as the other side lets it. */
function dribble(first: string): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1' }, () => socket.write(first));
    const dripping = setInterval(() => socket.writable && socket.write('a'), 100);
    socket.on('error', () => undefined).resume();
    socket.on('close', () => {
      clearInterval(dripping);
      resolve();
    });
  });
}

const head = (path: string, type: string) =>
  `POST ${path} HTTP/1.1\r\nHost: edge\r\nContent-Type: ${type}\r\nContent-Length: 100000\r\n`;

describe('a stop under load', () => {
  it('loses nothing that was acknowledged, refuses nothing it has accepted, and ends with 0 whoever dawdles', async () => {
    const acknowledged: string[] = [];
    const refusals: number[] = [];
    let cutShort = 0;
    let running = true;
    const path = '/twilio/sms/status';
    const sender = async () => {
      while (running) {
        const marker = randomBytes(8).toString('hex');
        const { headers, body } = tenant.form(
          path,
          `MessageSid=${marker}&MessageStatus=sent&AccountSid=${tenant.accountSid}&marker=${marker}`,
        );
        try {
          const answer = await request(`http://127.0.0.1:${port}${path}`, {
            method: 'POST',
            dispatcher: agent,
            headers: headers as Record<string, string>,
            body: body as string,
          });
          await answer.body.dump();
          if (answer.statusCode < 300) acknowledged.push(marker);
          else refusals.push(answer.statusCode);
        } catch {
          cutShort++;
          if (edge.exit()) return;
        }
      }
    };
    const senders = Array.from({ length: 32 }, sender);
    const dawdlers = [
      dribble(''),
      dribble(head(path, 'application/x-www-form-urlencoded')),
      dribble(`${head(path, 'application/x-www-form-urlencoded')}\r\n`),
      dribble(
        `${head(`/sendgrid/inbound/${secretPath}`, 'multipart/form-data; boundary=x')}\r\n--x\r\nContent-Disposition: form-data; name="attachment1"; filename="a"\r\n\r\n`,
      ),
    ];
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(500));
    const before = acknowledged.length;
    process.kill(edge.pid, 'SIGTERM');
    const exit = await edge.exited;
    running = false;
    await Promise.all([...senders, ...dawdlers]);

    expect([exit, await readFile(edge.logFile, 'utf8')]).toEqual([
      { code: 0, signal: null },
      expect.stringContaining('webhook-ingest has stopped'),
    ]);
    expect(refusals).toEqual([]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(before);
    expect(cutShort).toBeGreaterThan(0);
    await eventually(() => expect(acknowledged.filter((marker) => !stored.has(marker))).toEqual([]));
  }, 60_000);
});
