import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabaseOptions {
  /** Brings the empty database at `url` to the schema that the test needs. */
  readonly migrate?: (url: string) => Promise<unknown>;
}

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/**
 * A database of its own for a test file, so that files run side by side and leave nothing:
 *
 * ```ts
 * let database: TestDatabase;
 * beforeAll(async () => (database = await testDatabase({ migrate })));
 * afterAll(() => database.drop());
 * ```
 *
 * The first file that needs a schema migrates a template; all others copy it, which takes milliseconds.
 */
export async function testDatabase(
  { migrate }: TestDatabaseOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<TestDatabase> {
  const server = env['DATABASE_URL'];
  if (!server)
    throw new Error('DATABASE_URL is not set: run `make test`, which starts a Postgres, or point it at one.');
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Two projects may well write the same words and mean different migrations.
  const project = /\/(?:apps|libs)\/(?!testing\/src\/test-database\.ts)[^/]+\//.exec(new Error().stack ?? '')?.[0];
  await administer(server, async (client) => {
    if (!migrate) return void (await client.query(`create database ${name}`));
    const schema = createHash('sha256').update(`${project} ${migrate.toString()}`).digest('hex').slice(0, 12);
    const template = `template_${schema}_${runId(env)}`;
    // Copying needs a template nobody is connected to, so one file at a time.
    await client.query('select pg_advisory_lock(hashtext($1))', [`template_${schema}`]);
    await provideTemplate(client, server, { template, schema, migrate });
    await client.query(`create database ${name} template ${template}`);
  });
  return {
    url: databaseUrl(server, name),
    drop: () =>
      administer(server, async (client) => void (await client.query(`drop database if exists ${name} with (force)`))),
  };
}

/** `url` with another database name. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

interface Template {
  readonly template: string;
  readonly schema: string;
  readonly migrate: (url: string) => Promise<unknown>;
}

async function provideTemplate(
  client: pg.Client,
  server: string,
  { template, schema, migrate }: Template,
): Promise<void> {
  const { rows } = await client.query<{ datname: string }>('select datname from pg_database where datname like $1', [
    `template\\_${schema}\\_%`,
  ]);
  if (rows.some((row) => row.datname === template)) return;
  // Those of earlier runs may hold an older schema.
  for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
  const draft = `draft_${template}`;
  await client.query(`drop database if exists ${draft} with (force)`);
  await client.query(`create database ${draft}`);
  await migrate(databaseUrl(server, draft));
  // A pool that migrate left open must not fail every later copy.
  await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [draft]);
  await client.query(`alter database ${draft} rename to ${template}`);
}

/** One `jest` invocation: `make test` names it; otherwise the workers of one share their parent. */
function runId(env: NodeJS.ProcessEnv): string {
  return env['TEST_RUN_ID'] ?? String(process.send ? process.ppid : process.pid);
}

async function administer(server: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
