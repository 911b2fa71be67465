import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createDataSource, migrate, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { email } from '../../test/builders.ts';
import { migrations } from '../migrations/migrations.ts';
import { keepBodies, readBodies, sweepBodies } from './body.store.ts';
import { begin } from './email.ts';
import { insert } from './email.store.ts';

let database: TestDatabase;
let db: DataSource;
let transact: Transact;
beforeAll(async () => {
  database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, migrations, applicationName: 'spec' })),
  });
  db = await createDataSource({ url: database.url, migrations, applicationName: 'spec' }).initialize();
  transact = transactor(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

const body = (text: string) => ({ text, html: null, attachments: [] });
const keys = async () => [...(await transact((tx) => readBodies(tx, ['needed', 'over', 'fresh']))).keys()].sort();

it('a body is kept once, as long as an email may need it, and goes some time after the last one', async () => {
  await transact((tx) =>
    keepBodies(
      tx,
      new Map([
        ['needed', body('a')],
        ['over', body('b')],
      ]),
    ),
  );
  await transact((tx) =>
    keepBodies(
      tx,
      new Map([
        ['needed', body('a')],
        ['fresh', body('c')],
      ]),
    ),
  );
  const [id, other] = ['019a0000-0000-7000-8000-000000000001', '019a0000-0000-7000-8000-000000000002'];
  await transact((tx) =>
    insert(tx, [
      begin(email({ id, idempotencyKey: '1', bodyKey: 'needed', state: 'scheduled' })),
      begin(email({ id: other, idempotencyKey: '2', bodyKey: 'over', state: 'delivered' })),
    ]),
  );
  await transact((tx) => sweepBodies(tx, 10));
  expect(await keys()).toEqual(['fresh', 'needed', 'over']);

  await db.query(`update email_bodies set used_at = now() - interval '11 minutes' where key <> 'fresh'`);
  await transact((tx) => sweepBodies(tx, 10));
  expect(await keys()).toEqual(['fresh', 'needed']);
  const [row] = await db.query<{ text: string }[]>(
    `select body ->> 'text' as text from email_bodies where key = 'needed'`,
  );
  expect(row?.text).toBe('a');
});

it('the migrations lead back to nothing', async () => {
  for (const _ of migrations) await db.undoLastMigration();
  const left = await db.query<{ table_name: string }[]>(
    `select table_name from information_schema.tables where table_schema = 'public' and table_name <> 'migration'`,
  );
  expect(left).toEqual([]);
});
