import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createDataSource, migrate, type Transact, transactor } from '@signalbox/persistence';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import type { DataSource } from 'typeorm';
import { migrations } from '../migrations/migrations.ts';
import { applyRequests, countUntold, untold } from './suppression.store.ts';

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

it('a tenant that SendGrid cannot be told of keeps no other waiting, however much it has', async () => {
  const optOut = (tenant: string, recipient: string, second: number) => ({
    ...{ tenant, recipient, scope: '*', source: null },
    ...({ state: 'opted_out', reason: 'api', at: `2026-11-27T12:00:0${second}.000Z` } as const),
  });
  await transact((tx) =>
    applyRequests(tx, [
      ...[3, 1, 2].map((second) => optOut('stuck', `${second}@example.com`, second)),
      optOut('other', 'late@example.com', 9),
      optOut('keyless', 'a@example.com', 0),
    ]),
  );
  const names = ['stuck', 'other'];
  const found = await transact((tx) => untold(tx, names, 2));
  expect(found.map(({ tenant, recipient }) => `${tenant} ${recipient}`).sort()).toEqual([
    'other late@example.com',
    'stuck 1@example.com',
    'stuck 2@example.com',
  ]);
  expect(await transact((tx) => countUntold(tx, names))).toBe(4);
});
