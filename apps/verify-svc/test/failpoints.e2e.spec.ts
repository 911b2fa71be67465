import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { topics, type VerificationStateChanged } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { type Answer, VerifyClient } from './system.ts';

const service = 'verify-svc';

/** One process that dies as by `kill -9` at each boundary of a start and of a check, while the user tries again. */
describe('a verification, cut at every boundary', () => {
  let system: TestSystem;
  let directory: string;
  let consumer: Consumer;
  const client = new VerifyClient(() => system.info, '628');
  const events = new Map<string, VerificationStateChanged[]>();

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'failpoints-'));
    system = await startSystem({
      only: ['verify-svc', 'webhook-ingest'],
      env: {
        NODE_ENV: 'test',
        FAILPOINTS_DIR: directory,
        PROVIDER_TIMEOUT_MS: '1000',
        ATTEMPT_LEASE_MS: '6000',
        IN_DOUBT_SETTLE_MS: '500',
        RECONCILE_POLL_MS: '200',
      },
    });
    // No event tells what became of a start: it has to be looked up.
    await client.control('faults', { callbacks: { drop: 1 } });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await consumer.connect();
    await consumer.subscribe({ topics: [topics.verifyEvents.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const data = JSON.parse(String(message.value)) as VerificationStateChanged;
        events.set(data.verificationId, [...(events.get(data.verificationId) ?? []), data]);
      },
    });
  }, 120_000);

  afterAll(async () => {
    await consumer?.disconnect();
    await system?.stop();
    await rm(directory, { recursive: true });
  }, 60_000);

  /** Sets the failpoint, lets something happen, and waits until the process has died there and another has its place. */
  async function dieAt(point: string, happen: () => Promise<unknown>): Promise<void> {
    const file = path.join(directory, point);
    const before = system.info.pids[service];
    await writeFile(file, '');
    await happen().catch(() => undefined);
    await eventually(
      async () => {
        await expect(access(file)).rejects.toThrow();
        expect(system.info.pids[service]).not.toBe(before);
        expect((await fetch(`${system.info.services[service]}/readyz`)).status).toBe(200);
      },
      { timeout: 60_000 },
    );
  }

  /** As a client does: again under the same key until there is an answer. */
  async function startAgain(to: string, idempotencyKey: string): Promise<Answer> {
    return eventually(
      async () => {
        const answer = await client.start(to, { idempotencyKey });
        expect(answer.status).toBeLessThan(300);
        return answer;
      },
      { timeout: 30_000 },
    );
  }

  it.each([
    ['start.opened', 'not_taken'],
    ['start.sent', 'accepted'],
    ['start.answered', 'accepted'],
    ['start.settled', 'accepted'],
  ])(
    'that dies at %s is usable afterwards, with one code sent: its attempt was %s',
    async (point, state) => {
      const [to, idempotencyKey] = [client.number(), crypto.randomUUID()];
      await dieAt(point, () => client.start(to, { idempotencyKey }));
      const { verificationId: id } = (await startAgain(to, idempotencyKey)).body;
      await eventually(async () => expect((await client.story(id)).state).toBe('pending'), { timeout: 30_000 });
      expect((await client.story(id)).attempts[0]).toMatchObject({ state });
      expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
      expect(await client.check(id, await client.codeFor(to))).toMatchObject({ status: 200, body: { approved: true } });
    },
    90_000,
  );

  it('is checked by recipient while nobody knows whether the code was sent', async () => {
    const to = client.number();
    await client.control('faults', { callbacks: { drop: 1 }, rates: { timeoutAfter: 1 } });
    const begun = await client.start(to);
    expect(begun).toMatchObject({ status: 201, body: { state: 'accepted' } });
    await client.control('faults', { callbacks: { drop: 1 } });
    expect(await client.check(begun.body.verificationId, await client.codeFor(to))).toMatchObject({
      status: 200,
      body: { approved: true },
    });
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
  }, 60_000);

  it('is sent once when the answer gets lost, and found again', async () => {
    const to = client.number();
    await client.control('faults', { callbacks: { drop: 1 }, rates: { timeoutAfter: 1 } });
    const { verificationId: id } = (await client.start(to)).body;
    await client.control('faults', { callbacks: { drop: 1 } });
    await eventually(async () => expect((await client.story(id)).state).toBe('pending'), { timeout: 30_000 });
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
  }, 60_000);

  it('that dies while its last doubt is settled is settled by the next process', async () => {
    const to = client.number();
    await client.control('faults', { callbacks: { drop: 1 }, rates: { timeoutAfter: 1 } });
    const { verificationId: id } = (await client.start(to)).body;
    await client.control('faults', { callbacks: { drop: 1 } });
    await dieAt('reconcile.searched', async () => undefined);
    await eventually(async () => expect((await client.story(id)).state).toBe('pending'), { timeout: 30_000 });
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
  }, 90_000);

  it.each(['check.reserved', 'check.sent'])(
    'counts the check it died in at %s, and takes the right code from the next one',
    async (point) => {
      const to = client.number();
      const { verificationId: id } = (await client.start(to)).body;
      const wrong = await client.wrongCodeFor(to);
      await dieAt(point, () => client.check(id, wrong));
      expect((await client.story(id)).checks).toBe(1);
      expect(await client.check(id, await client.codeFor(to))).toMatchObject({
        body: { approved: true, checksLeft: 3 },
      });
    },
    90_000,
  );

  it('is told of in order, without a gap and without a repeat', async () => {
    await eventually(() => expect(events.size).toBeGreaterThanOrEqual(9));
    for (const told of events.values()) {
      expect(told.map(({ sequence }) => sequence)).toEqual(told.map((_, index) => index + 1));
    }
  });
});
