import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import { parseForm, sign } from '@signalbox/twilio';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { webhookIngest } from '../service.ts';

const accountSid = `AC${randomBytes(16).toString('hex')}`;
const messageSid = `SM${randomBytes(16).toString('hex')}`;
const publicBaseUrl = 'https://hooks.example.com';
const path = '/twilio/sms/status';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outage-'));
  await writeFile(
    join(folder, 'tenants.yaml'),
    `{ version: 1, tenants: [{ name: demo, twilio: { accountSid: ${accountSid}, apiKey: { sid: SK${'1'.repeat(32)}, secret: env:SECRET }, authTokens: [env:TOKEN] } }] }`,
  );
});
afterEach(() => rm(folder, { recursive: true }));

function start(brokers: string, more: Record<string, string> = {}) {
  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    PUBLIC_BASE_URL: publicBaseUrl,
    TENANTS_FILE: join(folder, 'tenants.yaml'),
    SECRET: 'api-secret',
    TOKEN: 'token',
    KAFKA_BROKERS: brokers,
    BROKER_PATIENCE_MS: '50',
    ...more,
  };
  return startService(webhookIngest(env), env);
}

function callBack(url: string, status: string): Promise<Response> {
  const body = `MessageSid=${messageSid}&MessageStatus=${status}&AccountSid=${accountSid}`;
  const form = parseForm(body);
  const signature = sign({ url: publicBaseUrl + path, params: form.ok ? form.params : {}, authToken: 'token' });
  return fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
    body,
  });
}

const nobody = '127.0.0.1:1';
const statuses = ['queued', 'sending', 'sent', 'delivered', 'read'];

describe('while the broker is away', () => {
  it('callbacks are taken, kept over a restart, and published in order when it is back', async () => {
    const kafkaForTests = testKafka();
    const kafka = createKafka(
      { brokers: kafkaForTests.brokers, clientId: 'outage-spec' },
      createLogger('outage-spec', { level: 'silent' }),
    );
    await ensureTopics(kafka, [topics.twilioMessageCallbacks]);
    const consumer = kafka.consumer({ groupId: kafkaForTests.group('outage') });
    await consumer.connect();
    await consumer.subscribe({ topics: [topics.twilioMessageCallbacks.name], fromBeginning: true });
    const seen: { status: unknown; id: string }[] = [];
    const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
    await consumer.run({
      eachMessage: async ({ message }) => {
        const data = JSON.parse(String(message.value)) as Record<string, unknown>;
        if (data['accountSid'] === accountSid)
          seen.push({ status: data['status'], id: String(message.headers?.['ce_id']) });
      },
    });
    await joined;

    const SPOOL_DIR = join(folder, 'spool');
    const cutOff = await start(nobody, { SPOOL_DIR });
    try {
      for (const status of statuses) expect((await callBack(cutOff.url, status)).status).toBe(204);
      expect((await fetch(`${cutOff.url}/readyz`)).status).toBe(200);
      expect(await (await fetch(`${cutOff.url}/metrics`)).text()).toMatch(/^signalbox_spool_records 5$/m);
    } finally {
      await cutOff.stop();
    }

    const connected = await start(kafkaForTests.brokers.join(','), { SPOOL_DIR });
    try {
      await eventually(() =>
        expect(seen).toEqual(statuses.map((status) => ({ status, id: `${accountSid}/${messageSid}/${status}//` }))),
      );
    } finally {
      await connected.stop();
      await consumer.disconnect();
    }
  });

  it('without a spool they are answered 503 with Retry-After, and the service is not ready', async () => {
    const cutOff = await start(nobody);
    try {
      const answer = await callBack(cutOff.url, 'sent');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
      const ready = await fetch(`${cutOff.url}/readyz`);
      expect([ready.status, await ready.json()]).toMatchObject([
        503,
        { checks: { kafka: 'the broker does not answer' } },
      ]);
    } finally {
      await cutOff.stop();
    }
  });
});
