import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { databaseUrl } from '@signalbox/testing';
import { freePort, localTenant, startKafka, startPostgres } from '@signalbox/testing/platform';
import pg from 'pg';
import { answers, cores, startNode } from '../contender.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');

/** A Kafka and a durable Postgres of the suite's own; what it starts ends with it. */
export interface BenchPlatform {
  readonly directory: string;
  readonly brokers: string;
  /** A superuser's URL. */
  readonly postgres: string;
  /** A new database with the tables of messaging-svc. */
  messagingDatabase(name: string): Promise<BenchDatabase>;
  /** The same with those of another app. */
  database(app: string, name: string): Promise<BenchDatabase>;
  /** The provider, and what a program needs to send to it; `tenantFields` come into the tenant file as well. */
  simulator(tenantFields?: Readonly<Record<string, unknown>>): Promise<Simulator>;
  /** Runs a program that measures itself, a `Meter`, to its end; resolves to its rate per second. */
  rateOf(name: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number>;
  stop(): Promise<void>;
}

export interface BenchDatabase extends AsyncDisposable {
  readonly url: string;
  query(sql: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
}

export interface Simulator {
  readonly url: string;
  /** For programs that send: TENANTS_FILE with its secrets, PUBLIC_BASE_URL. */
  readonly env: NodeJS.ProcessEnv;
  /** API tokens of the tenant. */
  readonly tokens: { readonly send: string };
  /** Forgets what was sent, and sends no callbacks. */
  reset(): Promise<void>;
}

export async function startPlatform(): Promise<BenchPlatform> {
  // What is started from here inherits it.
  execFileSync('taskset', ['-cp', cores, String(process.pid)], { stdio: 'ignore' });
  const directory = await mkdtemp(path.join(tmpdir(), 'signalbox-bench-'));
  // Postgres, which does not run as root, has to get at its files.
  await chmod(directory, 0o711);
  const [kafka, postgres] = await Promise.all([
    startKafka({ port: await freePort(), dataDir: path.join(directory, 'kafka'), optimised: true }),
    startPostgres({ port: await freePort(), dataDir: path.join(directory, 'postgres'), fresh: true }),
  ]);
  const node = (args: string[], env: NodeJS.ProcessEnv) =>
    run(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  await node(['libs/kafka/dist/ensure-topics.cli.js'], { KAFKA_BROKERS: kafka.brokers });
  const stops: (() => Promise<unknown>)[] = [];
  const database = async (app: string, name: string) => {
    const url = databaseUrl(postgres.url, name);
    await using server = await connect(postgres.url);
    await server.query(`create database ${name}`);
    await node([`apps/${app}/dist/migrate.js`], { DATABASE_URL: url });
    return connect(url);
  };

  return {
    directory,
    brokers: kafka.brokers,
    postgres: postgres.url,

    messagingDatabase: (name) => database('messaging-svc', name),
    database,

    async simulator(tenantFields) {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const tenant = localTenant(url, tenantFields);
      const tenantsFile = path.join(directory, 'tenants.yaml');
      await writeFile(tenantsFile, tenant.file);
      const started = await startNode(
        'provider-sim',
        ['apps/provider-sim/dist/main.js'],
        { PORT: String(port), HOST: '127.0.0.1', SIM_ACCOUNTS: tenant.simulatorAccounts, LOG_LEVEL: 'warn' },
        () => answers(`${url}/healthz`),
      );
      stops.push(() => started.kill());
      return {
        url,
        tokens: tenant.tokens,
        env: { TENANTS_FILE: tenantsFile, PUBLIC_BASE_URL: 'http://127.0.0.1:1', ...tenant.secrets },
        async reset() {
          await fetch(`${url}/_sim/reset`, { method: 'POST' });
          const plan = JSON.stringify({ callbacks: { drop: 1 } });
          const headers = { 'content-type': 'application/json' };
          const answer = await fetch(`${url}/_sim/faults`, { method: 'POST', headers, body: plan });
          if (!answer.ok) throw new Error(`the simulator refuses the plan: ${await answer.text()}`);
        },
      };
    },

    async rateOf(name, args, env) {
      const { stdout, stderr } = await run(
        'taskset',
        ['-c', cores, process.execPath, '--disable-warning=TimeoutNegativeWarning', ...args],
        {
          cwd: root,
          env: { ...process.env, NODE_ENV: 'production', KAFKA_BROKERS: kafka.brokers, ...env },
          timeout: 120_000,
        },
      );
      const said = stdout.trim().split('\n').at(-1) ?? '';
      if (!said.startsWith('{"rate"')) throw new Error(`${name} measured nothing: ${stdout}${stderr}`);
      return (JSON.parse(said) as { rate: number }).rate;
    },

    async stop() {
      for (const stop of stops) await stop();
      await kafka.kill();
      await postgres.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function connect(url: string): Promise<BenchDatabase> {
  const client = new pg.Client({ connectionString: url });
  // A server that is stopped under it is no news.
  client.on('error', () => undefined);
  await client.connect();
  return {
    url,
    query: async (sql, parameters) => (await client.query<Record<string, unknown>>(sql, parameters)).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}
