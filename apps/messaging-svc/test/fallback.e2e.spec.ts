import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type CallStateChanged,
  type EmailStateChanged,
  placeCallCommand,
  toHeaders,
  topics,
} from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, type KafkaMessage, logLevel, type Producer } from 'kafkajs';
import { randomUUID } from 'node:crypto';

interface Told {
  readonly idempotencyKey: string;
  readonly state: string;
  readonly correlationId: string | null;
}

const commands = [topics.voiceCommands.name, topics.emailCommands.name];

/** The way of a message that fails into the services of other channels: all of them real, the provider's stand-in aside. */
describe('a message that fails goes on', () => {
  let system: TestSystem;
  let producer: Producer;
  let consumer: Consumer;
  const calls: CallStateChanged[] = [];
  const emails: EmailStateChanged[] = [];
  const sent: { topic: string; message: KafkaMessage }[] = [];
  let numbers = 0;

  beforeAll(async () => {
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc', 'voice-svc', 'email-svc'],
      tenant: { voice: { quotas: { account: { rate: 500 } } } },
      env: { FALLBACK_POLL_MS: '200' },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    producer = kafka.producer({ idempotent: true });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await Promise.all([producer.connect(), consumer.connect()]);
    await consumer.subscribe({
      topics: [topics.voiceEvents.name, topics.emailEvents.name, ...commands],
      fromBeginning: true,
    });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        const type = String(message.headers?.['ce_type']);
        const read = () => JSON.parse(String(message.value)) as never;
        if (commands.includes(topic)) sent.push({ topic, message });
        else if (type === 'voice.call.state-changed.v1') calls.push(read());
        else if (type === 'email.email.state-changed.v1') emails.push(read());
      },
    });
  }, 120_000);

  beforeEach(() => control('faults', { callbacks: { duplicate: 1 }, errors: [{ prefix: '+1415999', code: 30003 }] }));

  afterAll(async () => {
    await Promise.all([producer?.disconnect(), consumer?.disconnect()]);
    await system?.stop();
  }, 60_000);

  async function control<Body>(path: string, body?: object): Promise<Body> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${system.info.simulator}/_sim/${path}`, {
      ...(body && { method: 'POST', headers, body: JSON.stringify(body) }),
    });
    return (await response.json()) as Body;
  }

  const undeliverable = () => `+1415999${String(1000 + numbers++)}`;
  const at = (to: string) => `?to=${encodeURIComponent(to)}`;

  /** Asks for a message as at-least-once delivery does: the same command three times. Returns its id. */
  async function send(to: string, fallback: object[]): Promise<string> {
    const data = { tenant: 'demo', idempotencyKey: randomUUID(), to, body: 'Your order has shipped', fallback };
    const head = {
      id: data.idempotencyKey,
      source: '//e2e',
      type: 'messaging.send.v1',
      time: new Date().toISOString(),
    };
    const message = { key: `demo:${to}`, value: JSON.stringify(data), headers: toHeaders({ ...head, data }) };
    await producer.send({ topic: topics.messagingCommands.name, acks: -1, messages: [message, message, message] });
    const authorization = `Bearer ${system.info.tokens.read}`;
    return eventually(async () => {
      const path = `/v1/messages?idempotencyKey=${data.idempotencyKey}`;
      const response = await fetch(`${system.info.services['messaging-svc']}${path}`, { headers: { authorization } });
      const { messages } = (await response.json()) as { messages: { messageId: string }[] };
      expect(messages).toHaveLength(1);
      return messages[0]?.messageId ?? '';
    });
  }

  const ends = (told: readonly Told[], key: string, state: string) =>
    eventually(() => expect(told.filter((one) => one.idempotencyKey === key).at(-1)?.state).toBe(state), {
      timeout: 60_000,
    });

  type Sent = (typeof sent)[number];

  /** The command of a fallback, of which there is one. */
  function commandOf(key: string): Promise<Sent> {
    return eventually(() => {
      const found = sent.filter(({ message }) => (JSON.parse(String(message.value)) as Told).idempotencyKey === key);
      expect(found.map(({ topic }) => topic)).toHaveLength(1);
      return found[0] as Sent;
    });
  }

  /** Delivers it twice more, and waits until it was taken. */
  async function redeliver(service: string, { topic, message: { key, value, headers = {} } }: Sent): Promise<void> {
    const again = { key, value, headers };
    const before = await eventually(() => repeated(service), { timeout: 30_000 });
    await producer.send({ topic, acks: -1, messages: [again, again] });
    await eventually(async () => expect((await repeated(service)) - before).toBeGreaterThanOrEqual(2), {
      timeout: 60_000,
    });
  }

  /** Commands whose idempotency key was known, of a service that has one process. */
  async function repeated(service: string): Promise<number> {
    const metrics = await (await fetch(`${system.info.services[service]}/metrics`)).text();
    return Number(/^signalbox_\w+_repeated_commands_total\{result="repeat"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  }

  it('as one call, linked to it, however often anything is delivered', async () => {
    const to = undeliverable();
    const id = await send(to, [{ channel: 'voice' }]);
    const key = `${id}:fallback:1`;
    await ends(calls, key, 'completed');
    const command = await commandOf(key);
    await redeliver('voice-svc', command);
    await system.kill('voice-svc');
    await redeliver('voice-svc', command);
    expect(calls.filter(({ to: called }) => called === to).every(({ correlationId }) => correlationId === id)).toBe(
      true,
    );
    const sequences = calls.filter(({ idempotencyKey }) => idempotencyKey === key).map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    expect(await control(`calls${at(to)}`)).toMatchObject([{ body: 'Your order has shipped', status: 'completed' }]);
    expect(await control(`messages${at(to)}`)).toHaveLength(1);
  }, 150_000);

  it('as one email, linked to it, however often anything is delivered', async () => {
    const to = undeliverable();
    const person = `${randomUUID()}@example.com`;
    const id = await send(to, [{ channel: 'email', to: person }]);
    const key = `${id}:fallback:1`;
    await ends(emails, key, 'delivered');
    const command = await commandOf(key);
    await redeliver('email-svc', command);
    await system.kill('email-svc');
    await redeliver('email-svc', command);
    expect(
      emails.filter(({ idempotencyKey }) => idempotencyKey === key).every(({ correlationId }) => correlationId === id),
    ).toBe(true);
    expect(await control(`emails${at(person)}`)).toMatchObject([{ to: person, body: 'Your order has shipped' }]);
    expect(await control(`calls${at(to)}`)).toEqual([]);
  }, 150_000);

  it('as a call first and as an email when that was not enough in time, each once', async () => {
    const to = undeliverable();
    const person = `${randomUUID()}@example.com`;
    const id = await send(to, [{ channel: 'voice' }, { channel: 'email', to: person, after: 'PT1S' }]);
    await ends(calls, `${id}:fallback:1`, 'completed');
    await ends(emails, `${id}:fallback:2`, 'delivered');
    expect(await control(`calls${at(to)}`)).toHaveLength(1);
    expect(await control(`emails${at(person)}`)).toHaveLength(1);
    const { message } = await commandOf(`${id}:fallback:1`);
    await commandOf(`${id}:fallback:2`);
    expect(placeCallCommand.safeParse(JSON.parse(String(message.value))).success).toBe(true);
    expect(sent.filter((one) => (JSON.parse(String(one.message.value)) as Told).correlationId === id)).toHaveLength(2);
  }, 120_000);

  it('nowhere when it is delivered', async () => {
    const to = `+1415555${String(2000 + numbers++)}`;
    const person = `${randomUUID()}@example.com`;
    const id = await send(to, [{ channel: 'voice' }, { channel: 'email', to: person }]);
    const after = undeliverable();
    const later = await send(after, [{ channel: 'voice' }]);
    await ends(calls, `${later}:fallback:1`, 'completed');
    expect(sent.some(({ message }) => String(message.value).includes(id))).toBe(false);
  }, 90_000);
});
