import { randomBytes } from 'node:crypto';

export interface TestKafka {
  readonly brokers: string[];
  /** A topic name nobody else uses; the topic is not created. */
  topic(label: string): string;
  /** A consumer group nobody else uses. */
  group(label: string): string;
}

/** The broker of this test run. Test files share it and stay apart by their names. */
export function testKafka(env: NodeJS.ProcessEnv = process.env): TestKafka {
  const brokers = env['KAFKA_BROKERS'];
  if (!brokers)
    throw new Error('KAFKA_BROKERS is not set: run `make test`, which starts a broker, or point it at one.');
  const unique = (label: string) => `${label}-${randomBytes(5).toString('hex')}`;
  return { brokers: brokers.split(','), topic: unique, group: unique };
}
