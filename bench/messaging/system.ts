import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { topics } from '@signalbox/contracts';
import { createKafka, EventProducer } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { freePort, launchSystem, services } from '@signalbox/testing/platform';
import { quantile } from '../rounds.ts';
import { recipient, sendCommand, settleDown } from './messages.ts';
import { type BenchDatabase, type BenchPlatform, connect } from './platform.ts';

export interface Latencies {
  readonly p50: number;
  readonly p95: number;
}

export interface Load {
  /** Commands a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly lane: string;
}

/** All services, and a product service that commands sends. */
export interface BenchSystem extends AsyncDisposable {
  readonly database: BenchDatabase;
  /** Traffic for so long that the JVM has compiled what the broker runs all the time, and that Postgres knows its tables. */
  warmUp(): Promise<void>;
  /**
   * Commands so many sends a second, each to a recipient of its own; milliseconds from publishing the command until the
   * provider has the request.
   */
  sendLatencies(load: Load): Promise<Latencies>;
}

export async function startSystem(platform: BenchPlatform): Promise<BenchSystem> {
  const ports = new Map<string, number>();
  for (const { name } of services) ports.set(name, await freePort());
  const system = await launchSystem({
    brokers: platform.brokers,
    postgres: platform.postgres,
    directory: path.join(platform.directory, 'system'),
    portOf: ({ name }) => ports.get(name) ?? 0,
    env: { LOG_LEVEL: 'warn', NODE_ENV: 'production' },
  });
  const logger = createLogger('bench', { level: 'warn' });
  const producer = new EventProducer(createKafka({ brokers: [platform.brokers], clientId: 'bench' }, logger));
  await producer.connect();
  const database = await connect(system.info.postgres['messaging'] ?? '');
  const warmUp = { rate: 200, seconds: 60, lane: 'transactional' };
  // A range that what is seeded does not reach.
  let next = 5_000_000;

  return {
    database,
    sendLatencies,
    async warmUp() {
      await sendLatencies(warmUp);
      await settleDown(database);
    },
    async [Symbol.asyncDispose]() {
      await producer.disconnect();
      await database[Symbol.asyncDispose]();
      await system.stop();
    },
  };

  async function sendLatencies({ rate, seconds, lane }: Load): Promise<Latencies> {
    const publishedAt = new Map<string, number>();
    const start = performance.now();
    const count = rate * seconds;
    const published: Promise<unknown>[] = [];
    for (let sent = 0; sent < count;) {
      const due = Math.min(count, Math.ceil(((performance.now() - start) / 1000) * rate));
      for (; sent < due; sent++) {
        const index = next++;
        publishedAt.set(recipient(index), Date.now());
        published.push(producer.publish(topics.messagingCommands, sendCommand(index, { lane })));
      }
      await sleep(1);
    }
    await Promise.all(published);
    const sorted = (await arrivals(publishedAt)).sort((a, b) => a - b);
    return { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
  }

  async function arrivals(publishedAt: ReadonlyMap<string, number>): Promise<number[]> {
    for (let tries = 0; tries < 120; tries++) {
      const response = await fetch(`${system.info.simulator}/_sim/messages`);
      const accepted = (await response.json()) as { to: string; createdAt: string }[];
      const latencies = accepted.flatMap(({ to, createdAt }) => {
        const since = publishedAt.get(to);
        return since === undefined ? [] : [Date.parse(createdAt) - since];
      });
      if (latencies.length === publishedAt.size) return latencies;
      await sleep(250);
    }
    throw new Error('not every command has become a request');
  }
}
