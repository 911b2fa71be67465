import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createKafka } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import type { Consumer } from 'kafkajs';
import { callbackTopics } from './fixtures/edge.ts';

let system: TestSystem | undefined;
let consumer: Consumer | undefined;
const records: { topic: string; resourceSid: string; status: string; tenant: string }[] = [];

beforeAll(async () => {
  system = await startSystem();
  const kafka = createKafka(
    { brokers: system.info.kafka.split(','), clientId: 'callbacks-e2e' },
    createLogger('callbacks-e2e', { level: 'silent' }),
  );
  consumer = kafka.consumer({ groupId: `callbacks-${randomBytes(4).toString('hex')}` });
  await consumer.connect();
  await consumer.subscribe({ topics: callbackTopics.map(({ name }) => name), fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, message }) => {
      records.push({ topic, ...(JSON.parse(String(message.value)) as Omit<(typeof records)[number], 'topic'>) });
    },
  });
}, 120_000);
afterAll(async () => {
  await consumer?.disconnect();
  await system?.stop();
}, 60_000);

it.each<[kind: string, params: object, expected: readonly (readonly [topic: string, status: string])[]]>([
  ['voice.status', { CallStatus: 'no-answer' }, [['twilio.call', 'no-answer']]],
  ['voice.recording', {}, [['twilio.call', 'completed']]],
  ['voice.transcription', {}, [['twilio.call', 'transcription-content']]],
  [
    'verify.event',
    { type: 'challenge.approved', challenge_sid: `YC${'1'.repeat(32)}` },
    [['twilio.verify', 'approved']],
  ],
  ['studio.event', { status: 'ended' }, [['twilio.studio', 'ended']]],
  ['debugger', { Level: 'WARNING' }, [['twilio.debugger', 'WARNING']]],
  [
    'event-streams',
    {},
    [
      ['twilio.message', 'delivered'],
      ['twilio.verify', 'APPROVED'],
      ['twilio.debugger', 'ERROR'],
    ],
  ],
  [
    'sendgrid.events',
    {},
    ['processed', 'delivered', 'open', 'click'].map((event) => ['sendgrid.event', event] as const),
  ],
  ['sendgrid.inbound', {}, [['sendgrid.inbound', 'received']]],
])('%s, as the simulator signs it, ends in its topic', async (kind, params, expected) => {
  const answer = await fetch(`${system?.info.simulator}/_sim/callbacks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind, params }),
  });
  const { status, resourceSids } = (await answer.json()) as { status: number; resourceSids: string[] };
  expect(status).toBe(204);
  await eventually(() => {
    const found = records.filter(({ resourceSid }) => resourceSids.includes(resourceSid));
    const wanted = expected.map(([topic, word]) => [`callbacks.${topic}.v1`, word, 'demo'].join(' '));
    expect(found.map(({ topic, status, tenant }) => [topic, status, tenant].join(' ')).sort()).toEqual(wanted.sort());
  });
});
