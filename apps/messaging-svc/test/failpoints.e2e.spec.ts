import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudEvent, type MessageStateChanged, toHeaders, topics } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';

interface Request {
  readonly idempotencyKey: string;
  readonly to: string;
  readonly body: string;
  readonly fallback?: object[];
}

interface Story {
  readonly attempts: { state: string; finishedAt: string | null }[];
  readonly history: { kind: string; detail: { worker?: string } }[];
}

const service = 'messaging-svc';

/** Twilio's magic number that is refused as invalid, so that the fallback is due at once. */
const invalid = '+15005550001';

/** One process that dies as by `kill -9` at each boundary of the way of a message, again and again, while the requests go on. */
describe('the way of a message, cut at every boundary', () => {
  let system: TestSystem;
  let directory: string;
  let producer: Producer;
  let consumer: Consumer;
  let numbers = 0;
  /** Every request that was accepted, with the recipients its message and its fallback are for. */
  const recipients: string[] = [];
  const keys: string[] = [];
  const failing: string[] = [];
  const events = new Map<string, MessageStateChanged[]>();
  /** The process that died at a boundary, and when that was known. */
  const dead = new Map<string, { pid: number | undefined; at: number }>();

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'failpoints-'));
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc'],
      env: {
        NODE_ENV: 'test',
        FAILPOINTS_DIR: directory,
        PROVIDER_TIMEOUT_MS: '1500',
        ATTEMPT_LEASE_MS: '6500',
        IN_DOUBT_SETTLE_MS: '500',
        CALLBACK_OVERDUE_MS: '4000',
        FALLBACK_POLL_MS: '200',
      },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    producer = kafka.producer({ idempotent: true });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await Promise.all([producer.connect(), consumer.connect()]);
    await consumer.subscribe({ topics: [topics.messagingEvents.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        if (String(message.headers?.['ce_type']) !== 'messaging.message.state-changed.v1') return;
        const data = JSON.parse(String(message.value)) as MessageStateChanged;
        events.set(data.messageId, [...(events.get(data.messageId) ?? []), data]);
      },
    });
  }, 120_000);

  afterAll(async () => {
    await Promise.all([producer?.disconnect(), consumer?.disconnect()]);
    await system?.stop();
    await rm(directory, { recursive: true });
  }, 60_000);

  const number = () => {
    const to = `+1415555${String(1000 + numbers++)}`;
    recipients.push(to);
    return to;
  };

  function requests(point: string, count = 3, changes: (index: number) => Partial<Request> = () => ({})): Request[] {
    return Array.from({ length: count }, (_, index) => {
      const idempotencyKey = `${point}-${index}`;
      const request = { idempotencyKey, body: `Message ${idempotencyKey}`, to: '', ...changes(index) };
      keys.push(idempotencyKey);
      return { ...request, to: request.to || number() };
    });
  }

  async function publish(all: readonly Request[]): Promise<void> {
    const messages = all.map((request) => {
      const data = { tenant: 'demo', ...request };
      const event: CloudEvent = {
        id: request.idempotencyKey,
        source: '//e2e',
        type: 'messaging.send.v1',
        time: new Date().toISOString(),
        data,
      };
      return { key: `demo:${request.to}`, value: JSON.stringify(data), headers: toHeaders(event) };
    });
    await producer.send({ topic: topics.messagingCommands.name, acks: -1, messages });
  }

  async function api<Body>(route: string, body?: object): Promise<Body> {
    const response = await fetch(`${system.info.services[service]}${route}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        authorization: `Bearer ${system.info.tokens.admin}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    expect(response.status).toBeLessThan(300);
    return (await response.json()) as Body;
  }

  /** As a client does: again under the same key until there is an answer. */
  const post = (all: readonly Request[]) =>
    Promise.all(
      all.map((request) => eventually(async () => void (await api('/v1/messages', request)), { timeout: 60_000 })),
    );

  async function faults(plan: object): Promise<void> {
    const response = await fetch(`${system.info.simulator}/_sim/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(plan),
    });
    expect(response.status).toBeLessThan(300);
  }

  async function sent(): Promise<string[]> {
    const list = (await (await fetch(`${system.info.simulator}/_sim/messages`)).json()) as { to: string }[];
    return list.map(({ to }) => to);
  }

  const lastStates = () =>
    new Map([...events.values()].map((told) => [told.at(-1)?.idempotencyKey, told.at(-1)?.state]));

  /** Until every request so far has come to its end. */
  const allEnded = () =>
    eventually(
      () => {
        const last = lastStates();
        const open = keys.filter((key) => last.get(key) !== (failing.includes(key) ? 'failed' : 'delivered'));
        expect(open).toEqual([]);
      },
      { timeout: 60_000 },
    );

  /** Sets the failpoint, lets something happen, and waits until the process has died there and another has its place. */
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
    dead.set(point, { pid: before, at: Date.now() });
  }

  /** What was found out of the attempts that the process which died at this point had left open. */
  async function foundOut(point: string): Promise<string[]> {
    const stories = await Promise.all([...events.keys()].map((id) => api<Story>(`/v1/messages/${id}`)));
    return stories.flatMap(({ attempts, history }) => {
      const began = history.filter(({ kind }) => kind === 'attempt');
      return attempts
        .filter(({ finishedAt }, index) => {
          const pid = began[index]?.detail.worker?.split('/').at(-1);
          return pid === String(dead.get(point)?.pid) && Date.parse(finishedAt ?? '') > (dead.get(point)?.at ?? 0);
        })
        .map(({ state }) => state);
    });
  }

  it('dies once at each of them', async () => {
    await dieAt('acceptance.committed', () => publish(requests('acceptance.committed')));
    for (const point of ['acceptance.answering', 'dispatch.claimed', 'dispatch.sent', 'dispatch.answered']) {
      await dieAt(point, () => post(requests(point)));
    }

    // Callbacks are taken in over Kafka, where the dead hold up the living until their session is over.
    await allEnded();
    await dieAt('delivery.committed', () => post(requests('delivery.committed')));
    for (const point of ['dispatch.settled', 'outbox.produced', 'outbox.published']) {
      await dieAt(point, () => post(requests(point)));
    }
    for (const point of ['fallback.saving', 'fallback.taken']) {
      const toInvalid = () => ({ to: invalid, fallback: [{ channel: 'sms', to: number() }] });
      const all = requests(point, 3, toInvalid);
      failing.push(...all.map(({ idempotencyKey }) => idempotencyKey));
      await dieAt(point, () => post(all));
    }
    await faults({ operations: ['create'], rates: { timeoutAfter: 1 }, callbacks: { drop: 1 } });
    await dieAt('reconcile.searched', () => post(requests('reconcile.searched')));
    await faults({});
  }, 180_000);

  it('survives a provider whose answers get lost, before and after it took the message', async () => {
    await faults({ operations: ['create'], rates: { timeoutBefore: 0.3, timeoutAfter: 0.3 }, seed: 7 });
    await post(requests('timeouts', 20));
    const ours = (to: string) => recipients.slice(-20).includes(to);
    await eventually(async () => expect((await sent()).filter(ours).length).toBeGreaterThan(5), { timeout: 30_000 });
    await faults({});
  }, 60_000);

  it('has sent every accepted request once, and told of it in order, without a gap and without a repeat', async () => {
    await allEnded();
    // One message per request, and one per fallback.
    await eventually(() => {
      expect(events.size).toBe(keys.length + failing.length);
      expect([...lastStates().values()].filter((state) => state !== 'delivered' && state !== 'failed')).toEqual([]);
    });
    expect((await sent()).sort()).toEqual([...recipients].sort());
    for (const told of events.values()) {
      expect(told.map(({ sequence }) => sequence)).toEqual(told.map((_, index) => index + 1));
    }
  }, 130_000);

  it.each([
    ['dispatch.claimed', 'not_taken'],
    ['dispatch.sent', 'accepted'],
    ['dispatch.answered', 'accepted'],
  ])('has found out what the process that died at %s had done: %s', async (point, state) => {
    expect(await foundOut(point)).toContain(state);
  });
});
