import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { sessionConfig } from './data-source.ts';

/** `signalbox migration` as a number nobody else uses; advisory locks are per database. */
const migrationLock = '5001764000000001';

/**
 * Applies the pending migrations of a data source (which need not be initialised) and returns their names.
 *
 * Replicas and jobs may race: one migrates under a session advisory lock, the others wait and find nothing to do. Each
 * migration is a transaction of its own unless it says `transaction = false`. There is no time limit on statements here.
 */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  const lock = new pg.Client({ ...sessionConfig(dataSource, 'migration lock'), statement_timeout: 0 });
  let lost: Error | undefined;
  lock.on('error', (error) => (lost = error));
  await lock.connect();
  try {
    // Polled: a waiter inside pg_advisory_lock holds a snapshot, which a CREATE INDEX CONCURRENTLY of the winner would wait for.
    while (!(await tryLock(lock))) await sleep(200);
    const applied = await applyPending(dataSource);
    if (lost) throw lost;
    return applied;
  } finally {
    await lock.end();
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
    migrationLock,
  ]);
  return rows[0]?.locked === true;
}

async function applyPending(dataSource: DataSource): Promise<string[]> {
  const unhurried = new DataSource({
    ...dataSource.options,
    entities: [],
    extra: {
      ...(dataSource.options.extra as object),
      max: 2,
      statement_timeout: 0,
      stream: undefined,
      idle_in_transaction_session_timeout: 0,
    },
  });
  await unhurried.initialize();
  try {
    const applied = await unhurried.runMigrations();
    return applied.map((migration) => migration.name);
  } finally {
    await unhurried.destroy();
  }
}
