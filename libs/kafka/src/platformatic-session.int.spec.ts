import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testKafka } from '@signalbox/testing';
import { byKey, counted, type Fixture, fixture, readTopic } from '../test/harness.ts';
import { KafkajsSession } from './kafkajs-session.ts';
import { platformaticSession } from './platformatic-session.ts';
import { EventProducer } from './producer.ts';
import type { ProducerSession } from './producer-session.ts';

/** What every session has to do, whatever the client library under it. */
describe.each<[string, (made: Fixture) => () => ProducerSession]>([
  [
    'kafkajs',
    ({ kafka }) =>
      () =>
        new KafkajsSession(kafka),
  ],
  ['@platformatic/kafka', () => platformaticSession({ brokers: testKafka().brokers, clientId: 'spec' })],
])('a producer session on %s', (_name, sessionOf) => {
  let made: Fixture;
  let producer: EventProducer;

  beforeEach(async () => {
    made = await fixture('session');
    producer = new EventProducer(made.kafka, { session: sessionOf(made), timeoutMs: 5_000 });
  });
  afterEach(async () => {
    await producer.disconnect();
    await made.close();
  });

  const range = (count: number) => Array.from({ length: count }, (_, n) => n);

  it('keeps the order of each key, and puts keys where other clients put them', async () => {
    const keys = range(20).map((n) => `key-${n}`);
    await Promise.all(range(50).flatMap((n) => keys.map((key) => producer.publish(made.topic, counted(key, n)))));
    await Promise.all(keys.map((key) => made.producer.publish(made.topic, counted(key, 50))));
    const records = await readTopic(made.kafka, made.topic.name, 20 * 51);
    const read = records.map(({ key, value }) => ({
      key: String(key),
      n: (JSON.parse(String(value)) as { n: number }).n,
    }));
    // In order over both producers only if both chose the same partition for the key.
    expect(byKey(read)).toEqual(Object.fromEntries(keys.map((key) => [key, range(51)])));
  });

  it('carries headers, bytes and texts alike, and a record without a value', async () => {
    await producer.send(made.topic.name, [
      { key: 'k', value: Buffer.from([1, 2, 255]), headers: { text: 'né', bytes: Buffer.from([0, 254]) } },
      { key: 'k', value: null },
    ]);
    const [first, second] = await readTopic(made.kafka, made.topic.name, 2);
    expect(first?.value).toEqual(Buffer.from([1, 2, 255]));
    expect(String(first?.headers?.['text'])).toBe('né');
    expect(first?.headers?.['bytes']).toEqual(Buffer.from([0, 254]));
    expect(second?.value).toBeNull();
  });

  it('rejects what the broker does not take, and goes on', async () => {
    await expect(producer.publish('no-such-topic', counted('k', 0))).rejects.toThrow();
    await producer.publish(made.topic, counted('k', 1));
    expect(await readTopic(made.kafka, made.topic.name, 1)).toHaveLength(1);
  });
});
