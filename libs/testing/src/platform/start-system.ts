import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { startKafka, type KafkaHandle } from './kafka.ts';
import { freePort } from './ports.ts';
import { RunRecord } from './run-record.ts';
import { withReplicas } from './services.ts';
import { launchSystem, repository, type System, type SystemOptions } from './system.ts';

export interface TestSystem extends System {
  /** A broker of its own: topics have fixed names, so systems that shared one would hear each other. */
  readonly kafka: KafkaHandle;
  /** Each process's log. */
  readonly logs: string;
}

export type TestSystemOptions = Pick<SystemOptions, 'env' | 'only' | 'replicas' | 'tenant'>;

/**
 * The whole system for an e2e spec: the built apps as processes on free ports, with a broker of their own and fresh
 * databases on the Postgres at DATABASE_URL. Needs `nx run-many -t build` first; `make test` does that.
 */
export async function startSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const server = process.env['DATABASE_URL'];
  if (!server)
    throw new Error('DATABASE_URL is not set: run `make test`, which starts a Postgres, or point it at one.');
  const id = randomBytes(4).toString('hex');
  const directory = path.join(repository, '.local/test', id);
  await mkdir(directory, { recursive: true });
  const logs = path.join(directory, 'logs');
  const record = new RunRecord(path.join(directory, 'pids'));
  const kafka = await startKafka({
    port: await freePort(),
    dataDir: path.join(directory, 'kafka'),
    logFile: path.join(logs, 'kafka.log'),
    onStart: (child) => record.add('kafka', child.pid),
  });
  const services = withReplicas(options.replicas, options.only);
  const ports = new Map<string, number>();
  for (const { name } of withReplicas(options.replicas)) ports.set(name, await freePort());
  const databaseName = (database: string) => `${database}_${id}`;
  const stopPlatform = async () => {
    await dropDatabases(
      server,
      services.flatMap(({ database }) => (database ? [databaseName(database)] : [])),
    );
    await kafka.kill();
    await rm(path.join(directory, 'kafka'), { recursive: true, force: true });
    await record.remove('kafka');
  };
  try {
    const system = await launchSystem({
      brokers: kafka.brokers,
      postgres: server,
      directory,
      portOf: ({ name }) => ports.get(name) ?? 0,
      databaseName,
      ...options,
    });
    return {
      kafka,
      logs,
      get info() {
        return system.info;
      },
      kill: (service) => system.kill(service),
      terminate: (service) => system.terminate(service),
      stop: async () => {
        await system.stop();
        await stopPlatform();
      },
    };
  } catch (error) {
    await stopPlatform();
    throw error;
  }
}

async function dropDatabases(server: string, names: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    for (const name of names)
      await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
  } finally {
    await client.end();
  }
}
