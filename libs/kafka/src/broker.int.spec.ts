import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { freePort, type KafkaHandle, startKafka } from '@signalbox/testing/platform';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defineTopic } from '@signalbox/contracts';
import { z } from 'zod';
import { byKey, counted, type Fixture, fixture, recordingLogger } from '../test/harness.ts';
import type { Batch } from './batch.ts';
import { createKafka } from './kafka.ts';
import { EventProducer } from './producer.ts';
import { ensureTopics } from './topics.ts';
import { BatchTransport } from './transport.ts';

let dataDir: string;
let port: number;
let broker: KafkaHandle | undefined;
let open: Fixture | undefined;

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'signalbox-kafka-'));
  port = await freePort();
});
afterAll(async () => {
  await open?.close();
  await broker?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('a broker that comes up late', () => {
  it('is waited for, and so are its topics', async () => {
    const log = recordingLogger();
    const kafka = createKafka({ brokers: [`127.0.0.1:${port}`], clientId: 'early' }, log);
    const topic = defineTopic({ name: 'late', summary: '', key: '', messages: { 'late.v1': z.object({}) } });
    const producer = new EventProducer(kafka);
    const connected = producer.connect();
    const received = Promise.withResolvers<Batch>();
    const transport = new BatchTransport({
      kafka,
      groupId: 'early',
      producer,
      topics: [topic],
      transact: async (work) => work(undefined),
    });
    transport.addHandler(topic.name, async (batch: Batch) => received.resolve(batch), true, { onBatch: 'test' });
    transport.listen(() => undefined);
    expect([producer.ready(), transport.ready()]).toEqual([false, false]);

    broker = await startKafka({ port, dataDir });
    await connected;
    await ensureTopics(kafka, [topic]);
    await producer.publish(topic, { key: 'k', event: { ...counted('k', 1).event, type: 'late.v1' } });
    expect((await received.promise).size).toBe(1);
    expect([producer.ready(), transport.ready()]).toEqual([true, true]);
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    await transport.close();
    await producer.disconnect();
  });
});

describe('a broker that dies and comes back', () => {
  it('is waited for: the consumer goes on, the producer publishes again, nothing acknowledged is lost', async () => {
    open = await fixture('restart', [`127.0.0.1:${port}`], {
      timeoutMs: 45_000,
    });
    const { topic, producer, member, committed, log } = open;
    const { transport } = await member(
      async (batch, tx) => void tx.push(...batch.map(({ key, event }) => ({ key, n: event.data.n }))),
      // kafkajs may come back as a new member, which has to wait until the old one counts as gone.
      { sessionTimeoutMs: 6_000 },
    );
    const acknowledged: number[] = [];
    let n = 0;
    const publish = async () => {
      const mine = n++;
      await producer.publish(topic, counted('a', mine));
      acknowledged.push(mine);
    };
    await publish();
    await eventually(() => expect(committed).toHaveLength(1));

    await broker?.kill();
    const during = publish();
    broker = await startKafka({ port, dataDir });
    await during;
    await eventually(() => expect(producer.ready()).toBe(true));
    for (let i = 0; i < 20; i++) await publish();

    await eventually(() => expect(new Set(committed.map((of) => of.n))).toEqual(new Set(acknowledged)));
    expect([...new Set(byKey(committed)['a'])]).toEqual(acknowledged);
    await eventually(() => expect(transport.ready() && producer.ready()).toBe(true));
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
