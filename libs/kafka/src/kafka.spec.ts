import { describe, expect, it } from '@jest/globals';
import { Partitioners } from 'kafkajs';
import { kafkaSettings } from './kafka.ts';

describe('kafkaSettings', () => {
  it('reads brokers, TLS and SASL', () => {
    const settings = kafkaSettings({
      KAFKA_BROKERS: 'a:9092, b:9092',
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: 'user',
      KAFKA_SASL_PASSWORD: 'secret',
    });
    expect(settings).toEqual({
      brokers: ['a:9092', 'b:9092'],
      clientId: 'signalbox',
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'user', password: 'secret' },
    });
  });

  it.each([
    ['no broker', {}, 'KAFKA_BROKERS: at least one host:port is needed'],
    ['a URL for a broker', { KAFKA_BROKERS: 'kafka://a' }, 'KAFKA_BROKERS: kafka://a is not host:port'],
    ['a word for TLS', { KAFKA_BROKERS: 'a:1', KAFKA_SSL: 'yes' }, 'KAFKA_SSL: true or false'],
    ['an unknown mechanism', { KAFKA_BROKERS: 'a:1', KAFKA_SASL_MECHANISM: 'magic' }, 'KAFKA_SASL_MECHANISM: one of'],
  ])('refuses %s', (_label, env, fault) => {
    expect(() => kafkaSettings(env)).toThrow(fault);
  });

  it('names every fault at once', () => {
    const env = { KAFKA_SSL: 'yes', KAFKA_SASL_MECHANISM: 'plain' };
    expect(() => kafkaSettings(env)).toThrow(
      /KAFKA_BROKERS.*; KAFKA_SSL.*; KAFKA_SASL_USERNAME.*; KAFKA_SASL_PASSWORD/,
    );
  });
});

describe('the partition of a key', () => {
  // Hashes of Apache Kafka's own test of its murmur2 (org.apache.kafka.common.utils).
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('is where the Java client puts %s', (key, hash) => {
    const partitionMetadata = Array.from({ length: 12 }, (_, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 1,
      replicas: [1],
      isr: [1],
    }));
    const partition = Partitioners.DefaultPartitioner()({ topic: 't', partitionMetadata, message: { key, value: '' } });
    expect(partition).toBe((hash & 0x7fffffff) % 12);
  });
});
