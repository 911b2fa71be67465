import { expect, it } from '@jest/globals';
import { testKafka } from '@signalbox/testing';
import { Kafka, type LogEntry, logLevel } from 'kafkajs';
import { FencedProducer } from './fenced-producer.ts';

it('opens without a warning', async () => {
  const names = testKafka();
  const said: LogEntry[] = [];
  const kafka = new Kafka({
    brokers: names.brokers,
    clientId: 'spec',
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => void said.push(entry),
  });
  await (await FencedProducer.open(kafka, names.group('fenced'))).disconnect();
  expect(said.map(({ log }) => log.message)).toEqual([]);
});
