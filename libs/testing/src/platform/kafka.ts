import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { startChild, waitUntilReady, type Child } from './child.ts';
import { brokerArguments, prepareKafka } from './kafka-distribution.ts';

export interface KafkaOptions {
  readonly port: number;
  /** Created when missing. One that holds data is continued, so that a broker can be restarted. */
  readonly dataDir: string;
  /** Start over: what the directory holds is removed. */
  readonly fresh?: boolean;
  readonly logFile?: string;
  /** Called as soon as the process exists, long before it is ready. */
  readonly onStart?: (child: Child) => Promise<void>;
  /** Compiles thoroughly, as a broker in production does: for benchmarks, whose runs are long. */
  readonly optimised?: boolean;
  /** Further lines of server.properties; they win. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface KafkaHandle {
  /** `host:port`, for KAFKA_BROKERS. */
  readonly brokers: string;
  readonly pid: number;
  readonly child: Child;
  stop(): Promise<void>;
  /** As a machine that loses power. */
  kill(): Promise<void>;
}

/**
 * A real Apache Kafka, one node that is broker and controller, on loopback. Resolves when clients can work: metadata,
 * consumer groups and transactions are served.
 * @throws when Java or Maven is missing, or the broker does not come up; the message says what to do.
 */
export async function startKafka(options: KafkaOptions): Promise<KafkaHandle> {
  const distribution = await prepareKafka();
  const { port, dataDir } = options;
  if (options.fresh) await rm(dataDir, { recursive: true, force: true });
  const child = startChild({
    name: 'kafka',
    command: 'java',
    args: await brokerArguments(distribution, {
      port,
      dataDir,
      settings: options.settings,
      optimised: options.optimised,
    }),
    logFile: options.logFile ?? path.join(dataDir, 'kafka.log'),
  });
  const brokers = `127.0.0.1:${port}`;
  try {
    await options.onStart?.(child);
    await waitUntilReady(child, () => probeKafka(brokers));
  } catch (error) {
    await child.kill();
    throw error;
  }
  return {
    brokers,
    pid: child.pid,
    child,
    stop: async () => void (await child.stop()),
    kill: async () => void (await child.kill()),
  };
}

/** Throws unless a client gets all it needs. A broker creates the coordinators' topics at the first question for them. */
export async function probeKafka(brokers: string): Promise<void> {
  const kafka = new Kafka({
    brokers: brokers.split(','),
    clientId: 'readiness',
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 5 },
  });
  const admin = kafka.admin();
  const producer = kafka.producer({ transactionalId: 'readiness', idempotent: true, maxInFlightRequests: 1 });
  try {
    await admin.connect();
    const { brokers: known } = await admin.describeCluster();
    if (known.length === 0) throw new Error('no broker registered yet');
    await admin.describeGroups(['readiness']);
    await producer.connect();
    await (await producer.transaction()).abort();
  } finally {
    await Promise.allSettled([admin.disconnect(), producer.disconnect()]);
  }
}
