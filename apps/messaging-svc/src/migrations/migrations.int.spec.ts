import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDataSource, migrate } from '@signalbox/persistence';
import { testDatabase, type TestDatabase } from '@signalbox/testing';
import { SpeedUp1764000007000 } from './0007-speed.migration.ts';
import { KeyAttemptsByTenant1764000011000 } from './0011-attempts-by-tenant.migration.ts';
import { migrations } from './migrations.ts';

describe('the migration for speed', () => {
  let database: TestDatabase;
  beforeAll(async () => (database = await testDatabase()));
  afterAll(() => database.drop());

  it('takes along the messages that are to be asked about, their attempts and their history, there and back', async () => {
    const source = (upTo: number) =>
      createDataSource({ url: database.url, migrations: migrations.slice(0, upTo), applicationName: 'spec' });
    const speed = migrations.indexOf(SpeedUp1764000007000);
    await migrate(source(speed));
    const db = await source(speed + 1).initialize();
    try {
      await db.query(`
        insert into messages (id, tenant, idempotency_key, request_digest, channel, recipient, content, lane, fallback,
          metadata, traceparent, created_at, state, sequence, attempt, check_at, updated_at)
        select gen_random_uuid(), 'demo', i::text, '', 'sms', '+14155550199', '{}', 1, '[]', '{}', '', now(), 'submitted', 4, 1,
          case when i <= 2 then now() end, now()
        from generate_series(1, 3) i`);
      await db.query(`
        insert into attempts (message_id, number, state, started_at, lease_until, worker)
        select id, 1, 'accepted', now(), now(), 'spec' from messages`);
      await db.query(`
        insert into message_history (message_id, at, kind, detail) select id, now(), 'state', '{}' from messages`);

      const due = () => db.query<unknown[]>('select from message_checks join messages m on m.id = message_id');
      await db.runMigrations();
      expect(await due()).toHaveLength(2);
      await db.undoLastMigration();
      expect(await db.query(`select count(*)::int as count from messages where check_at is not null`)).toEqual([
        { count: 2 },
      ]);
      await db.query('delete from messages');
      expect(await db.query('select from attempts union all select from message_history')).toEqual([]);
      await db.runMigrations();
      expect(await due()).toEqual([]);
    } finally {
      await db.destroy();
    }
  });
});

describe('the migration of attempts to their tenants', () => {
  let database: TestDatabase;
  beforeAll(async () => (database = await testDatabase()));
  afterAll(() => database.drop());

  it('goes on where it was cut off, there and back', async () => {
    const source = (upTo: number) =>
      createDataSource({ url: database.url, migrations: migrations.slice(0, upTo), applicationName: 'spec' });
    const place = migrations.indexOf(KeyAttemptsByTenant1764000011000);
    await migrate(source(place));
    const db = await source(place + 1).initialize();
    const keys = () =>
      db.query<{ indexdef: string }[]>(
        `select indexdef from pg_indexes where indexdef like '%provider_sid%' and tablename = 'attempts'`,
      );
    try {
      const before = await keys();
      await db.query(`alter table attempts add column tenant text`);
      await db.query(`create index attempts_by_tenant on attempts (tenant)`);
      await db.runMigrations();
      expect(await keys()).toEqual([
        { indexdef: expect.stringMatching(/UNIQUE INDEX attempts_provider_sid .*\(tenant, provider_sid\)/) },
      ]);
      await db.undoLastMigration();
      expect(await keys()).toEqual(before);
      await db.runMigrations();
      expect(await keys()).toHaveLength(1);
    } finally {
      await db.destroy();
    }
  });
});
