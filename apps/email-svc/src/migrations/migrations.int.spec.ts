import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { lockExpiringInLine } from '@signalbox/outbound';
import { createDataSource, migrate } from '@signalbox/persistence';
import { eventually, testDatabase } from '@signalbox/testing';
import { email, now } from '../../test/builders.ts';
import { type EmailDatabase, emailDatabase } from '../../test/database.ts';
import { begin } from '../email/email.ts';
import { emailTable, insert } from '../email/email.store.ts';
import { CreateWarmup1764000004000 } from './0004-warmup.migration.ts';
import { migrations } from './migrations.ts';

let database: EmailDatabase;
beforeAll(async () => (database = await emailDatabase()));
afterAll(() => database.close());

it('what expires in a line that is held is found by an index, and not by reading the line', async () => {
  const queue = 'stream:bulk@gmail';
  const steps = Array.from({ length: 3_000 }, (_, index) => {
    const expiresAt = new Date(now.getTime() + index * 60_000).toISOString();
    const dueAt = now.toISOString();
    const id = randomUUID();
    return begin(email({ id, idempotencyKey: id, state: 'queued', lane: 'bulk', queue, dueAt, expiresAt }));
  });
  await database.transact((tx) => insert(tx, steps));
  await database.dataSource.query('analyze emails');
  const soon = new Date(now.getTime() + 10 * 60_000);
  const line = { tenant: 'demo', lane: 'bulk', queue } as const;
  expect(await database.transact((tx) => lockExpiringInLine(tx, emailTable, line, soon, 500))).toHaveLength(11);
  await eventually(async () => {
    const [index] = await database.dataSource.query<{ scans: number }[]>(
      `select idx_scan::int as scans from pg_stat_user_indexes where indexrelname = 'emails_waiting_expiry'`,
    );
    expect(index?.scans).toBeGreaterThan(0);
  });
});

it('attempts of a database that was made before they had a tenant have one', async () => {
  const older = await testDatabase();
  const source = (upTo: number) =>
    createDataSource({ url: older.url, migrations: migrations.slice(0, upTo), applicationName: 'spec' });
  await migrate(source(migrations.indexOf(CreateWarmup1764000004000)));
  const db = await source(migrations.length).initialize();
  try {
    await db.query('alter table attempts drop column tenant');
    await db.runMigrations();
    expect(await db.query('select tenant from attempts')).toEqual([]);
  } finally {
    await db.destroy();
    await older.drop();
  }
});
