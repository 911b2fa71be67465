import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudEvent, type MessageStateChanged, toHeaders, topics } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel, type Message, type Producer } from 'kafkajs';

interface Sent {
  readonly sid: string;
  readonly to: string;
}

const finalStates = ['delivered', 'undelivered', 'failed', 'rejected', 'read', 'expired', 'canceled'];

describe('Signalbox, from a command to its events', () => {
  let system: TestSystem;
  let producer: Producer;
  let consumer: Consumer;
  /** Every event of events.messaging.v1, by idempotency key, in the order of its partition. */
  const events = new Map<string, MessageStateChanged[]>();
  const deadLetters: { key: string | undefined; headers: Record<string, string> }[] = [];

  beforeAll(async () => {
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc'],
      env: {
        PROVIDER_TIMEOUT_MS: '2000',
        ATTEMPT_LEASE_MS: '7000',
        IN_DOUBT_SETTLE_MS: '1000',
        // What was called back while webhook-ingest was down is asked for after this.
        CALLBACK_OVERDUE_MS: '5000',
      },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    producer = kafka.producer({ idempotent: true });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await Promise.all([producer.connect(), consumer.connect()]);
    await consumer.subscribe({ topics: ['events.messaging.v1', 'commands.messaging.v1.dlq'], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        const headers = Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
        );
        if (topic.endsWith('.dlq')) {
          deadLetters.push({ key: message.key?.toString(), headers });
          return;
        }
        if (headers['ce_type'] !== 'messaging.message.state-changed.v1') return;
        const data = JSON.parse(String(message.value)) as MessageStateChanged;
        events.set(data.idempotencyKey, [...(events.get(data.idempotencyKey) ?? []), data]);
      },
    });
  }, 120_000);

  afterEach(() => simulator('faults', {}));

  afterAll(async () => {
    await Promise.all([producer?.disconnect(), consumer?.disconnect()]);
    await system?.stop();
  }, 60_000);

  async function simulator(control: string, body: unknown): Promise<void> {
    const response = await fetch(`${system.info.simulator}/_sim/${control}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBeLessThan(300);
  }

  async function sent(): Promise<Sent[]> {
    const response = await fetch(`${system.info.simulator}/_sim/messages`);
    return (await response.json()) as Sent[];
  }

  function command(idempotencyKey: string, to: string, changes: object = {}): Message {
    const event: CloudEvent = {
      id: idempotencyKey,
      source: '//e2e',
      type: 'messaging.send.v1',
      time: new Date().toISOString(),
      data: { tenant: 'demo', idempotencyKey, to, body: `Message ${idempotencyKey}`, ...changes },
    };
    return { key: `demo:${to}`, value: JSON.stringify(event.data), headers: toHeaders(event) };
  }

  const publish = (...messages: Message[]) =>
    producer.send({ topic: topics.messagingCommands.name, acks: -1, messages });

  const lastState = (key: string) => events.get(key)?.at(-1)?.state ?? '';

  function expectInOrder(key: string): void {
    const sequences = (events.get(key) ?? []).map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  }

  async function api(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${system.info.services['messaging-svc']}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${system.info.tokens.admin}`, 'content-type': 'application/json' },
    });
  }

  it('sends a burst once each, though callbacks are doubled and disordered, and tells of it in order', async () => {
    await simulator('faults', { callbacks: { duplicate: 0.2, reorder: 0.2 } });
    const keys = Array.from({ length: 500 }, (_, index) => `burst-${index}`);
    const to = (index: number) => `+1415555${String(1000 + index)}`;
    await publish(...keys.map((key, index) => command(key, to(index))));
    await eventually(() => expect(keys.filter((key) => lastState(key) !== 'delivered')).toEqual([]), {
      timeout: 90_000,
    });
    keys.forEach(expectInOrder);
    const recipients = (await sent()).map((message) => message.to).filter((number) => number.startsWith('+1415555'));
    expect(recipients).toHaveLength(500);
    expect(new Set(recipients).size).toBe(500);
  }, 120_000);

  it('sends one message for a command that is published three times', async () => {
    const thrice = command('thrice', '+14155560001');
    await publish(thrice, thrice);
    await publish(thrice);
    await eventually(() => expect(lastState('thrice')).toBe('delivered'), { timeout: 20_000 });
    await publish(thrice, command('after-thrice', '+14155560001'));
    await eventually(() => expect(lastState('after-thrice')).toBe('delivered'), { timeout: 20_000 });
    expect((await sent()).filter(({ to }) => to === '+14155560001')).toHaveLength(2);
    expectInOrder('thrice');
  });

  it('sets a malformed command aside with its reason, and goes on with the partition', async () => {
    const key = 'demo:+14155560002';
    const good = command('after-bad', '+14155560002');
    await publish({ ...good, key, value: '{not json' }, { ...good, key, value: '{"tenant":"demo"}' }, good);
    await eventually(() => expect(lastState('after-bad')).toBe('delivered'), { timeout: 20_000 });
    await eventually(() => expect(deadLetters.filter((letter) => letter.key === key)).toHaveLength(2));
    const [notJson, incomplete] = deadLetters.filter((letter) => letter.key === key);
    expect(notJson?.headers).toMatchObject({
      sb_dlq_reason: 'value is not JSON',
      sb_dlq_topic: 'commands.messaging.v1',
      sb_dlq_attempts: '1',
    });
    expect(incomplete?.headers['sb_dlq_reason']).toContain('idempotencyKey');
  });

  it('tells the error of what cannot be delivered, with a remedy', async () => {
    await simulator('faults', { errors: [{ prefix: '+1415999', code: 30003 }] });
    await publish(
      command('bad-number', '+15005550001'),
      command('unreachable', '+14159990001'),
      command('nonsense', 'banana'),
    );
    await eventually(
      () => {
        for (const key of ['bad-number', 'unreachable', 'nonsense']) expect(finalStates).toContain(lastState(key));
      },
      { timeout: 20_000 },
    );
    const end = (key: string) => {
      const last = events.get(key)?.at(-1);
      return [last?.state, last?.error?.code];
    };
    expect(end('bad-number')).toEqual(['failed', 21211]);
    expect(end('unreachable')).toEqual(['undelivered', 30003]);
    expect(end('nonsense')).toEqual(['rejected', 'invalid_recipient']);
    expect(events.get('unreachable')?.at(-1)?.error?.remedy).toEqual(expect.stringMatching(/\w+/));
  });

  it('takes a message over HTTP as over Kafka, and tells its whole story', async () => {
    const request = { to: '+14155560003', body: 'Over HTTP', idempotencyKey: 'http-1', metadata: { orderId: '42' } };
    const answers = await Promise.all(
      [1, 2, 3].map(() => api('/v1/messages', { method: 'POST', body: JSON.stringify(request) })),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { messageId: string }[];
    expect(new Set(bodies.map(({ messageId }) => messageId)).size).toBe(1);
    await eventually(() => expect(lastState('http-1')).toBe('delivered'), { timeout: 20_000 });

    const story = (await (await api(`/v1/messages/${bodies[0]?.messageId}`)).json()) as {
      state: string;
      history: { at: string; kind: string }[];
    };
    expect(story).toMatchObject({
      state: 'delivered',
      metadata: { orderId: '42' },
      attempts: [{ number: 1, state: 'accepted', httpStatus: 201 }],
    });
    const kinds = story.history.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['request', 'attempt', 'answer', 'callback', 'state']));
    const times = story.history.map(({ at }) => at);
    expect(times).toEqual([...times].sort());

    const list = (await (await api('/v1/messages?to=%2B14155560003')).json()) as { messages: unknown[] };
    expect(list.messages).toHaveLength(1);
  });

  it('refuses a forged callback and keeps nothing of it', async () => {
    const url = `${system.info.publicBaseUrls['webhook-ingest']}/twilio/sms/status`;
    const params = {
      AccountSid: 'AC00000000000000000000000000000001',
      MessageSid: `SM${'f'.repeat(32)}`,
      MessageStatus: 'delivered',
    };
    const signed = url + Object.entries(params).sort().flat().join('');
    const post = (token: string) =>
      fetch(url, {
        method: 'POST',
        body: new URLSearchParams(params),
        headers: { 'x-twilio-signature': createHmac('sha1', token).update(signed).digest('base64') },
      });
    expect((await post('wrong')).status).toBe(403);
    expect((await post(system.info.tokens.webhookAuth)).status).toBeLessThan(300);
  });

  it('loses nothing and doubles nothing when messaging-svc and webhook-ingest are killed under way', async () => {
    await simulator('faults', {
      latencyMs: [5, 60],
      rates: { 429: 0.05, 500: 0.03, timeoutBefore: 0.01, timeoutAfter: 0.02 },
      callbacks: { duplicate: 0.3, reorder: 0.3 },
    });
    const keys = Array.from({ length: 600 }, (_, index) => `kill-${index}`);
    const to = (index: number) => `+1415600${String(1000 + index)}`;
    const ours = async () =>
      (await sent()).map((message) => message.to).filter((number) => number.startsWith('+1415600'));
    for (let start = 0; start < keys.length; start += 100) {
      await publish(...keys.slice(start, start + 100).map((key, index) => command(key, to(start + index))));
      await eventually(async () => expect((await ours()).length).toBeGreaterThan(start + 10), { timeout: 60_000 });
      await system.kill(start === 200 ? 'webhook-ingest' : 'messaging-svc');
    }
    await simulator('faults', {});
    await eventually(() => expect(keys.filter((key) => !finalStates.includes(lastState(key)))).toEqual([]), {
      timeout: 150_000,
    });
    const recipients = await ours();
    expect(new Set(recipients).size).toBe(600);
    expect(recipients).toHaveLength(600);
    keys.forEach(expectInOrder);
  }, 240_000);
});
