import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type CloudEvent, deadLetterTopic, defineTopic, type Topic } from '@signalbox/contracts';
import { testKafka } from '@signalbox/testing';
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { z } from 'zod';
import {
  type Batch,
  BatchTransport,
  type BatchTransportOptions,
  createKafka,
  ensureTopics,
  EventProducer,
  type EventProducerOptions,
  type KafkaLogger,
  OnBatch,
} from '../src/index.ts';

const schema = z.object({ n: z.int() });
export type Counted = CloudEvent<z.output<typeof schema>, 'test.counted.v1'>;

export type CountedTopic = Topic<{ 'test.counted.v1': typeof schema }>;

export function counted(key: string, n: number): { key: string; event: Counted } {
  const time = '2026-11-24T18:00:00.000Z';
  return { key, event: { id: `${key}-${n}`, source: '//test', type: 'test.counted.v1', time, data: { n } } };
}

export interface LogLine {
  readonly level: keyof KafkaLogger;
  readonly message: string;
  readonly fields: object;
}

export function recordingLogger(): KafkaLogger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: keyof KafkaLogger) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** What a handler writes through: kept only when its transaction commits. */
export type Writes = { key: string; n: number; member?: string }[];

export interface Fixture {
  readonly kafka: Kafka;
  readonly topic: CountedTopic;
  readonly group: string;
  readonly producer: EventProducer;
  /** What committed transactions wrote, in the order they committed. */
  readonly committed: Writes;
  readonly log: ReturnType<typeof recordingLogger>;
  readonly transact: (work: (tx: Writes) => Promise<void>) => Promise<void>;
  readonly member: (handle: Handle, options?: Partial<BatchTransportOptions<Writes>>) => Promise<Member>;
  /** Next offset per partition the group has committed; -1 when none. */
  readonly offsets: () => Promise<number[]>;
  readonly deadLetters: (count: number) => Promise<KafkaMessage[]>;
  readonly close: () => Promise<void>;
}

export type Handle = (batch: Batch<Counted>, tx: Writes) => Promise<void>;

export interface Member {
  readonly transport: BatchTransport<Writes>;
  readonly close: () => Promise<void>;
}

/** A topic, a group and a producer nobody else uses, on the broker of this test run unless told otherwise. */
export async function fixture(
  label: string,
  brokers?: string[],
  producerOptions: EventProducerOptions = {},
): Promise<Fixture> {
  const names = testKafka(brokers ? { KAFKA_BROKERS: brokers.join(',') } : process.env);
  const log = recordingLogger();
  const kafka = createKafka({ brokers: names.brokers, clientId: label }, log);
  const topic = defineTopic({
    name: names.topic(label),
    summary: '',
    key: '',
    partitions: 3,
    messages: { 'test.counted.v1': schema },
  });
  const group = names.group(label);
  await ensureTopics(kafka, [topic]);
  const producer = new EventProducer(kafka, producerOptions);
  await producer.connect();
  const committed: Writes = [];
  const members: Member[] = [];

  const transact = async (work: (tx: Writes) => Promise<void>): Promise<void> => {
    const tx: Writes = [];
    await work(tx);
    committed.push(...tx);
  };

  return {
    kafka,
    topic,
    group,
    producer,
    committed,
    log,
    transact,
    async member(handle, options = {}) {
      const transport = new BatchTransport<Writes>({
        kafka,
        groupId: group,
        producer,
        topics: [topic],
        transact,
        retry: { baseMs: 1, maxMs: 5 },
        ...options,
      });
      const others = Object.values(options.apart ?? {}).flat() as CountedTopic[];
      const member = { transport, close: await serve([topic, ...others], handle, transport) };
      members.push(member);
      return member;
    },
    async offsets() {
      const admin = kafka.admin();
      await admin.connect();
      const [fetched] = await admin.fetchOffsets({ groupId: group, topics: [topic.name] });
      await admin.disconnect();
      return (fetched?.partitions ?? []).sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
    },
    deadLetters: (count) => readTopic(kafka, deadLetterTopic(topic), count),
    async close() {
      await Promise.all(members.map((member) => member.close()));
      await producer.disconnect();
    },
  };
}

/** Boots a Nest microservice with one controller whose handler is `handle`. */
async function serve(topics: [CountedTopic, ...CountedTopic[]], handle: Handle, strategy: BatchTransport<Writes>) {
  @Controller()
  class Handler {
    @OnBatch(...topics)
    async apply(batch: Batch<Counted>, tx: Writes): Promise<void> {
      await handle(batch, tx);
    }
  }
  @Module({ controllers: [Handler] })
  class App {}
  const app: INestMicroservice = await NestFactory.createMicroservice(App, { strategy, logger: false });
  await app.listen();
  let closing: Promise<void> | undefined;
  return () => (closing ??= app.close());
}

/** Reads a topic from its beginning until `count` records are there. */
export async function readTopic(kafka: Kafka, topic: string, count: number): Promise<KafkaMessage[]> {
  const messages: KafkaMessage[] = [];
  const consumer: Consumer = kafka.consumer({ groupId: testKafka().group('reader'), maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ message }) => {
          messages.push(message);
          if (messages.length >= count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return messages;
}

/** Per key, the numbers in the order they were written. */
export function byKey(writes: Writes): Record<string, number[]> {
  const groups = Object.groupBy(writes, ({ key }) => key);
  return Object.fromEntries(Object.entries(groups).map(([key, of]) => [key, (of ?? []).map(({ n }) => n)]));
}
