import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { databaseUrl } from '../test-database.ts';
import type { Exit } from './child.ts';
import { localTenant } from './local-tenant.ts';
import { RunRecord, writeAtomically } from './run-record.ts';
import { simulator, type ServiceDefinition, type Surroundings, withReplicas } from './services.ts';
import { supervise, type Supervised } from './supervisor.ts';

const run = promisify(execFile);

export const repository = path.resolve(import.meta.dirname, '../../../..');

/** What `.local/run.json` says about a running system. */
export interface RunInfo {
  readonly kafka: string;
  /** Database URL by database name. */
  readonly postgres: Readonly<Record<string, string>>;
  readonly services: Readonly<Record<string, string>>;
  readonly simulator: string;
  readonly pids: Readonly<Record<string, number>>;
  readonly tokens: {
    readonly admin: string;
    readonly send: string;
    readonly read: string;
    readonly webhookAuth: string;
  };
  /** The bases over which callback signatures are computed. */
  readonly publicBaseUrls: Readonly<Record<string, string>>;
}

export interface SystemOptions {
  /** `host:port,…` of a running Kafka. */
  readonly brokers: string;
  /** A superuser's URL of a running Postgres. */
  readonly postgres: string;
  /** Logs, process records, the tenant file and what services keep on disk go here. */
  readonly directory: string;
  readonly portOf: (service: ServiceDefinition) => number;
  /** The name a service's database gets on the server; its own by default. */
  readonly databaseName?: (database: string) => string;
  /** Further environment for every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** The services to start, beside the simulator; all by default. */
  readonly only?: readonly string[];
  /** How many processes of a service; one by default. */
  readonly replicas?: Readonly<Record<string, number>>;
  /** Further fields of the tenant `demo` in the tenant file. */
  readonly tenant?: Readonly<Record<string, unknown>>;
  /** Gives up the start. */
  readonly signal?: AbortSignal;
  /** Wraps each step, to show it. */
  readonly step?: <T>(name: string, work: () => Promise<T>, outcome?: (result: T) => string) => Promise<T>;
  readonly onLine?: (line: string) => void;
  /** The info has changed: a service has a new process. Not called before all are ready. */
  readonly onChange?: (info: RunInfo) => Promise<void>;
}

export interface System {
  readonly info: RunInfo;
  /** `kill -9` of a service, which is started again at once. */
  kill(service: string): Promise<void>;
  /** SIGTERM, as Kubernetes sends it; the service is started again. Resolves with how it ended. */
  terminate(service: string): Promise<Exit>;
  stop(): Promise<void>;
}

/**
 * Starts all services against a Kafka and a Postgres: databases, topics, migrations, then the services side by side.
 * Resolves when each is ready, and keeps them running.
 * @throws what went wrong first, after everything was stopped.
 */
export async function launchSystem(options: SystemOptions): Promise<System> {
  const { directory, brokers, portOf, onLine, onChange } = options;
  const step = options.step ?? ((_name, work) => work());
  const logs = path.join(directory, 'logs');
  const all = withReplicas(options.replicas);
  const services = withReplicas(options.replicas, options.only);
  const record = new RunRecord(path.join(directory, 'pids'));
  const urlOf = (service: ServiceDefinition) => `http://127.0.0.1:${portOf(service)}`;
  const named = (all: readonly ServiceDefinition[]) => Object.fromEntries(all.map((one) => [one.name, urlOf(one)]));
  const simulatorUrl = named(services)[simulator] ?? '';
  const tenant = localTenant(simulatorUrl, options.tenant);
  const owners = services.flatMap((service) => (service.database ? [{ ...service, database: service.database }] : []));
  const databaseName = options.databaseName ?? ((database) => database);
  const surroundings: Surroundings = {
    brokers,
    databases: Object.fromEntries(
      owners.map(({ database }) => [database, databaseUrl(options.postgres, databaseName(database))]),
    ),
    tenantsFile: path.join(directory, 'tenants.yaml'),
    secrets: tenant.secrets,
    simulatorAccounts: tenant.simulatorAccounts,
    publicBaseUrls: named(all.filter((service) => service.public)),
    dataDirectory: path.join(directory, 'data/services'),
  };
  await mkdir(logs, { recursive: true });
  await rm(surroundings.dataDirectory, { recursive: true, force: true });
  await writeAtomically(surroundings.tenantsFile, tenant.file);

  const supervised = new Map<string, Supervised>();
  const pids: Record<string, number> = {};
  let ready = false;
  const info = (): RunInfo => ({
    kafka: brokers,
    postgres: surroundings.databases,
    services: named(services.filter(({ name }) => name !== simulator)),
    simulator: simulatorUrl,
    pids: { ...pids },
    tokens: tenant.tokens,
    publicBaseUrls: surroundings.publicBaseUrls,
  });
  const envOf = (service: ServiceDefinition): NodeJS.ProcessEnv => ({
    ...serviceEnvironment(),
    PORT: String(portOf(service)),
    ...service.env(surroundings),
    ...options.env,
  });

  async function prepareDatabase(owner: ServiceDefinition & { database: string }): Promise<void> {
    await createDatabase(options.postgres, databaseName(owner.database));
    await runNode([`apps/${owner.name}/dist/migrate.js`], envOf(owner), options.signal);
  }

  async function start(service: ServiceDefinition): Promise<void> {
    const process = await supervise({
      name: service.name,
      command: globalThis.process.execPath,
      args: ['--enable-source-maps', `apps/${service.app ?? service.name}/dist/main.js`],
      cwd: repository,
      env: envOf(service),
      logFile: path.join(logs, `${service.name}.log`),
      probe: () => isReady(urlOf(service)),
      signal: options.signal,
      onLine,
      onStart: async (pid) => {
        pids[service.name] = pid;
        await record.add(service.name, pid);
        if (ready) await onChange?.(info());
      },
    });
    supervised.set(service.name, process);
  }

  const stop = async () => {
    await Promise.all([...supervised.values()].map((service) => service.stop()));
    await Promise.all(services.map((service) => record.remove(service.name)));
  };

  try {
    await allOrFirstError([
      ...owners.map((owner) => step(`${owner.database} database`, () => prepareDatabase(owner))),
      step('topics', async () => {
        await runNode(
          ['libs/kafka/dist/ensure-topics.cli.js'],
          { ...serviceEnvironment(), KAFKA_BROKERS: brokers },
          options.signal,
        );
      }),
    ]);
    await allOrFirstError(
      services.map((service) =>
        step(
          service.name,
          () => start(service),
          () => urlOf(service),
        ),
      ),
    );
    options.signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  ready = true;
  const serviceOf = (name: string) => {
    const service = supervised.get(name);
    if (!service) throw new Error(`no service is named ${name}; there are ${[...supervised.keys()].join(', ')}`);
    return service;
  };
  return {
    get info() {
      return info();
    },
    kill: async (name) => serviceOf(name).kill(),
    terminate: async (name) => serviceOf(name).terminate(),
    stop,
  };
}

/** Our own environment without what a test runner put there for itself. */
function serviceEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_ENV: _env, JEST_WORKER_ID: _worker, ...rest } = process.env;
  return rest;
}

async function createDatabase(server: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

async function runNode(args: string[], env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<void> {
  try {
    await run(process.execPath, ['--disable-warning=TimeoutNegativeWarning', ...args], {
      cwd: repository,
      env,
      signal,
    });
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: number };
    const said = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(0, 20).join('\n  ');
    throw new Error(`node ${args.join(' ')} ended with exit code ${code}:\n  ${said}`, { cause: error });
  }
}

async function isReady(url: string): Promise<void> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
  const body = await response.text();
  if (!response.ok) throw new Error(`/readyz answers ${response.status}: ${body.slice(0, 300)}`);
}

/** Waits for all, so that nothing is still starting when the first error is thrown. */
async function allOrFirstError(work: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
