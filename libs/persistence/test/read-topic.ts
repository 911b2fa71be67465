import { testKafka } from '@signalbox/testing';
import type { Kafka } from 'kafkajs';

export interface ReadRecord {
  readonly key: string;
  readonly value: unknown;
  readonly headers: Record<string, string>;
}

const sentinel = 'sentinel';

/** Every committed record of a topic, each partition in its order: a record written to the end of each says where to stop. */
export async function readTopic(kafka: Kafka, topic: string): Promise<ReadRecord[]> {
  const admin = kafka.admin();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: testKafka().group('read'), sessionTimeout: 10_000 });
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  try {
    const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition }) => partition);
    const messages = partitions.map((partition) => ({ partition, value: sentinel }));
    await producer.send({ topic, messages });
    const open = new Set(partitions);
    const records: ReadRecord[] = [];
    const { promise: atEnd, resolve } = Promise.withResolvers<void>();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const value = message.value?.toString() ?? 'null';
        if (value === sentinel) {
          open.delete(partition);
          if (open.size === 0) resolve();
          return;
        }
        const headers = Object.entries(message.headers ?? {}).map(([name, header]) => [name, String(header)]);
        records.push({
          key: message.key?.toString() ?? '',
          value: JSON.parse(value),
          headers: Object.fromEntries(headers) as Record<string, string>,
        });
      },
    });
    await atEnd;
    return records;
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  }
}
