import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs, { CompressionTypes, Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';
import { decompressLz4 } from './lz4.ts';
import { type KafkaLogger, logBridge } from './logger.ts';
import './request-queue.ts';

export interface KafkaSettings {
  readonly brokers: string[];
  readonly clientId: string;
  readonly ssl?: boolean;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/**
 * Reads KAFKA_BROKERS (comma-separated), KAFKA_CLIENT_ID, KAFKA_SSL (true/false), KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME
 * and KAFKA_SASL_PASSWORD. Throws naming every fault at once.
 */
export function kafkaSettings(
  env: Readonly<Record<string, string | undefined>>,
  clientId = 'signalbox',
): KafkaSettings {
  const faults: string[] = [];
  const brokers = (env['KAFKA_BROKERS'] ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter(Boolean);
  if (brokers.length === 0) faults.push('KAFKA_BROKERS: at least one host:port is needed');
  for (const broker of brokers) {
    if (!/^[^\s/]+:\d{1,5}$/.test(broker)) faults.push(`KAFKA_BROKERS: ${broker} is not host:port`);
  }
  const ssl = env['KAFKA_SSL'] || 'false';
  if (ssl !== 'true' && ssl !== 'false') faults.push('KAFKA_SSL: true or false');
  const { KAFKA_SASL_MECHANISM: wanted, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = env;
  const mechanism = mechanisms.find((known) => known === wanted?.toLowerCase());
  if (wanted && !mechanism) faults.push(`KAFKA_SASL_MECHANISM: one of ${mechanisms.join(', ')}`);
  if (wanted && !username) faults.push('KAFKA_SASL_USERNAME: needed with a mechanism');
  if (wanted && !password) faults.push('KAFKA_SASL_PASSWORD: needed with a mechanism');
  if (faults.length > 0) throw new Error(`Kafka settings: ${faults.join('; ')}`);
  return {
    brokers,
    clientId: env['KAFKA_CLIENT_ID'] || clientId,
    ...(ssl === 'true' && { ssl: true }),
    ...(mechanism && username && password && { sasl: { mechanism, username, password } }),
  };
}

// Product services compress with whatever their client offers; gzip is built into kafkajs.
kafkajs.CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
kafkajs.CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
});
kafkajs.CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async () => {
    throw new Error('LZ4 is only read');
  },
  decompress: async (buffer: Buffer) => decompressLz4(buffer),
});

/** A kafkajs client whose log lines go to `logger`. Nothing is connected yet. */
export function createKafka(settings: KafkaSettings, logger: KafkaLogger): Kafka {
  return new Kafka({
    brokers: settings.brokers,
    clientId: settings.clientId,
    ...(settings.ssl && { ssl: true }),
    ...(settings.sasl && { sasl: settings.sasl as KafkaConfig['sasl'] }),
    connectionTimeout: 3_000,
    requestTimeout: 15_000,
    // Written out because kafkajs has other defaults under NODE_ENV=test.
    retry: { initialRetryTime: 100, multiplier: 2, factor: 0.2, maxRetryTime: 2_000, retries: 5 },
    logLevel: logLevel.INFO,
    logCreator: logBridge(logger),
  });
}
