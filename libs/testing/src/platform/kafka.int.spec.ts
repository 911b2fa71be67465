import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTopic } from '../create-topic.ts';
import { Kafka, logLevel } from 'kafkajs';
import { type KafkaHandle, startKafka } from './kafka.ts';
import { freePort } from './ports.ts';

let dataDir: string;
let broker: KafkaHandle;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'kafka-'));
  broker = await startKafka({ port: await freePort(), dataDir });
}, 120_000);
afterAll(async () => {
  await broker.kill();
  await rm(dataDir, { recursive: true, force: true });
});

it('comes back after a kill with what it had acknowledged, at the same address', async () => {
  const client = () => new Kafka({ brokers: [broker.brokers], logLevel: logLevel.NOTHING });
  await createTopic(client(), { topic: 'kept', numPartitions: 3 });

  await broker.kill();
  broker = await startKafka({ port: Number(broker.brokers.split(':')[1]), dataDir });

  const after = client().admin();
  await after.connect();
  const { topics } = await after.fetchTopicMetadata({ topics: ['kept'] });
  await after.disconnect();
  expect(topics[0]?.partitions).toHaveLength(3);
}, 120_000);
