import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudEvent, decode, examples, toHeaders, type Topic, topics } from '@signalbox/contracts';
import { eventually, testKafka } from '@signalbox/testing';
import { type Consumer, Kafka, logLevel, Partitioners } from 'kafkajs';
import { type Client, createClient } from './client.ts';
import { headerStrings } from './events.ts';

const names = testKafka();
const kafka = new Kafka({ brokers: [...names.brokers], clientId: 'client-spec', logLevel: logLevel.NOTHING });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const tenant = `c-${randomBytes(4).toString('hex')}`;
const commandTopics = [topics.messagingCommands, topics.emailCommands, topics.voiceCommands, topics.verifyCommands];
const eventTopics = [topics.messagingEvents, topics.emailEvents, topics.voiceEvents, topics.verifyEvents];

let client: Client;
let consumer: Consumer;
/** What was published for this tenant, as `topic key type`, with the data as the services read it. */
const published: { what: string; partition: number; data: Record<string, unknown> }[] = [];

beforeAll(async () => {
  const admin = kafka.admin();
  await admin.connect();
  const wanted = [...commandTopics, ...eventTopics].map(({ name, partitions }) => ({
    topic: name,
    numPartitions: partitions,
  }));
  await admin.createTopics({ topics: wanted, waitForLeaders: true });
  await admin.disconnect();
  await producer.connect();
  client = createClient({ tenant, clientId: 'order-service', kafka: { brokers: [...names.brokers] } });
  consumer = kafka.consumer({ groupId: names.group('client-spec') });
  await consumer.connect();
  await consumer.subscribe({ topics: commandTopics.map(({ name }) => name), fromBeginning: true });
  await consumer.run({
    eachMessage: ({ topic: name, partition, message }) => {
      const key = message.key?.toString() ?? '';
      if (!key.startsWith(`${tenant}:`)) return Promise.resolve();
      const headers = headerStrings(message.headers);
      const read = decode(commandTopics.find((one) => one.name === name) as Topic, headers, message.value);
      const data = (read.ok ? read.event.data : { reason: read.reason }) as Record<string, unknown>;
      published.push({ what: `${name} ${key} ${headers['ce_type']} by ${headers['ce_source']}`, partition, data });
      return Promise.resolve();
    },
  });
}, 60_000);
afterAll(async () => {
  await client?.close();
  await consumer?.disconnect();
  await producer.disconnect();
});

describe('requests', () => {
  const email = 'Ada <ada@example.com>';
  const number = '+14155550199';

  it.each([
    [
      'a message',
      () => client.sendMessage({ idempotencyKey: 'm', to: number, body: 'Hello' }),
      () => client.cancelMessage({ idempotencyKey: 'm', to: number }),
      ['messaging', number, 'messaging.send.v1', 'messaging.cancel.v1', 'm'],
    ],
    [
      'an email',
      () => client.sendEmail({ idempotencyKey: 'e', to: email, subject: 'Hello', text: 'Hello' }),
      () => client.cancelEmail({ idempotencyKey: 'e', to: email }),
      ['email', email, 'email.send.v1', 'email.cancel.v1', 'e'],
    ],
    [
      'a call',
      () => client.placeCall({ idempotencyKey: 'v', to: number, say: 'Hello' }),
      () => client.cancelCall({ idempotencyKey: 'v', to: number }),
      ['voice', number, 'voice.place.v1', 'voice.cancel.v1', 'v'],
    ],
  ] as const)(
    'for %s goes out in the form of its contract, and its cancel after it',
    async (_label, send, cancel, expected) => {
      const [domain, to, sending, canceling, idempotencyKey] = expected;
      expect(await send()).toEqual({ idempotencyKey });
      await cancel();
      const head = `commands.${domain}.v1 ${tenant}:${to}`;
      await eventually(() => {
        const both = published.filter(({ what }) => what.startsWith(`${head} ${domain}.`));
        expect(both.map(({ what }) => what)).toEqual([
          `${head} ${sending} by //order-service`,
          `${head} ${canceling} by //order-service`,
        ]);
        expect(both.map(({ data }) => data['idempotencyKey'])).toEqual([idempotencyKey, idempotencyKey]);
        expect(both[0]?.data).toMatchObject({ tenant, to, lane: 'transactional' });
        expect(both[0]?.partition).toBe(both[1]?.partition);
      });
    },
  );

  it('for a verification goes out by recipient, or by user for an authenticator', async () => {
    const { idempotencyKey } = await client.startVerification({ to: number, purpose: 'login' });
    await client.startVerification({ channel: 'totp', subject: 'user-7' });
    await eventually(() => {
      const started = published.filter(({ what }) => what.startsWith('commands.verify.v1'));
      expect(started.map(({ what }) => what.split(' ')[1]).sort()).toEqual([`${tenant}:${number}`, `${tenant}:user-7`]);
      expect(started.find(({ data }) => data['to'] === number)?.data).toMatchObject({
        idempotencyKey,
        channel: 'auto',
        purpose: 'login',
      });
    });
  });

  it('for large emails that come together go out all the same', async () => {
    const to = 'large@example.com';
    const send = (idempotencyKey: string) =>
      client.sendEmail({ idempotencyKey, to, subject: 'Hello', text: 'x'.repeat(450_000) });
    const keys = ['l1', 'l2', 'l3'];
    await Promise.all(keys.map(send));
    await eventually(() => {
      const large = published.filter(({ data }) => data['to'] === to);
      expect(large.map(({ data }) => data['idempotencyKey'])).toEqual(keys);
    });
  });

  it.each([
    ['an email with nothing in it', () => client.sendEmail({ idempotencyKey: 'x', to: email, subject: 'Hello' })],
    ['a call that says nothing', () => client.placeCall({ idempotencyKey: 'x', to: number })],
    ['a verification of nobody', () => client.startVerification({ idempotencyKey: 'x' })],
  ])('for %s is refused before it is published', async (_label, send) => {
    await expect(send()).rejects.toMatchObject({ name: 'ZodError' });
    expect(published.filter(({ data }) => data['idempotencyKey'] === 'x')).toEqual([]);
  });
});

describe('events', () => {
  const event = (type: keyof typeof examples, id: string, changes: object): CloudEvent => ({
    id,
    source: '//spec',
    type,
    time: new Date().toISOString(),
    data: { ...examples[type], tenant, ...changes },
  });

  it.each([
    ['email', topics.emailEvents, 'email.email.state-changed.v1', 'emailId', 'email.email.engaged.v1', 'onEmailEvent'],
    ['call', topics.voiceEvents, 'voice.call.state-changed.v1', 'callId', 'voice.call.facts.v1', 'onCallEvent'],
    [
      'verification',
      topics.verifyEvents,
      'verify.verification.state-changed.v1',
      'verificationId',
      'verify.totp-factor.changed.v1',
      'onVerificationEvent',
    ],
    [
      'message',
      topics.messagingEvents,
      'messaging.message.state-changed.v1',
      'messageId',
      'messaging.message.received.v1',
      'onMessageEvent',
    ],
  ] as const)(
    'of a %s come in order, each once, and those of this tenant alone',
    async (_label, topic, moved, aggregate, other, subscribe) => {
      const id = randomUUID();
      const move = (sequence: number, changes: object = {}) =>
        event(moved, `${id}.${sequence}`, { [aggregate]: id, sequence, ...changes });
      const deed = event(other, `${id}.deed`, {});
      for (const one of [move(1), move(2), move(2, { tenant: 'somebody-else' }), move(1), deed, deed, move(3)]) {
        const message = { key: id, value: JSON.stringify(one.data), headers: toHeaders(one) };
        await producer.send({ topic: topic.name, acks: -1, messages: [message] });
      }
      const handed: string[] = [];
      const options = { groupId: names.group(`client-${subscribe}`), fromBeginning: true };
      const subscription = await client[subscribe]((told) => void handed.push(told.id), options);
      await eventually(() => expect(handed.at(-1)).toBe(`${id}.3`));
      expect(handed).toEqual([`${id}.1`, `${id}.2`, `${id}.deed`, `${id}.3`]);
      await subscription.stop();
    },
  );
});
