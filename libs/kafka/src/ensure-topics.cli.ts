import { topics } from '@signalbox/contracts';
import { createKafka, kafkaSettings } from './kafka.ts';
import type { KafkaLogger } from './logger.ts';
import { ensureTopics } from './topics.ts';

/**
 * The topics job: `node ensure-topics.cli.js` creates every topic of the contracts and its dead-letter topic on
 * KAFKA_BROKERS, with KAFKA_REPLICATION_FACTOR (default 1) replicas. Ends with 1 when it could not.
 */
const say = (level: string) => (fields: object, message: string) =>
  process.stderr.write(`${JSON.stringify({ level, ...fields, msg: message })}\n`);
const logger: KafkaLogger = { debug: () => undefined, info: say('info'), warn: say('warn'), error: say('error') };

try {
  const replicationFactor = Number(process.env['KAFKA_REPLICATION_FACTOR'] ?? 1);
  if (!Number.isInteger(replicationFactor) || replicationFactor < 1) {
    throw new Error('KAFKA_REPLICATION_FACTOR: a whole number from 1');
  }
  const kafka = createKafka(kafkaSettings(process.env, 'signalbox-topics'), logger);
  const { created, differing } = await ensureTopics(kafka, Object.values(topics), { replicationFactor });
  logger.info({ created }, `topics are there, ${created.length} of them new`);
  for (const difference of differing) logger.warn(difference, 'partition count is not what the contracts declare');
} catch (error) {
  logger.error({}, error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
