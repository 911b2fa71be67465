import { expect, it } from '@jest/globals';
import { createDataSource, migrate } from '@signalbox/persistence';
import { testDatabase } from '@signalbox/testing';
import { AddRetention1764000005000 } from './0005-retention.migration.ts';
import { migrations } from './migrations.ts';

it('attempts of a database that was made before they had a tenant get theirs', async () => {
  const database = await testDatabase();
  const source = (upTo: number) =>
    createDataSource({ url: database.url, migrations: migrations.slice(0, upTo), applicationName: 'spec' });
  await migrate(source(migrations.indexOf(AddRetention1764000005000)));
  const db = await source(migrations.length).initialize();
  try {
    await db.query('alter table attempts drop column tenant');
    await db.query(
      'create unique index attempts_provider_sid on attempts (provider_sid) where provider_sid is not null',
    );
    await db.query(`
      insert into calls (id, tenant, idempotency_key, request_digest, request, recipient, lane, traceparent, created_at,
        state, sequence, round, earlier_sids, attempt, queue, cancel_requested, updated_at)
      values (gen_random_uuid(), 'demo', 'key', '', '{}', '+14155550199', 1, '', now(), 'completed', 4, 1, '[]', 2, '', false, now())`);
    await db.query(`
      insert into attempts (call_id, number, state, started_at, lease_until, worker, provider_sid)
      select id, 1, 'not_taken', now(), now(), 'spec', null from calls
      union all select id, 2, 'accepted', now(), now(), 'spec', 'CA1' from calls`);
    await db.runMigrations();
    expect(await db.query('select number, tenant from attempts order by number')).toEqual([
      { number: 1, tenant: null },
      { number: 2, tenant: 'demo' },
    ]);
    const twice = `insert into attempts (call_id, number, state, started_at, lease_until, worker, provider_sid, tenant)
      select id, $1, 'accepted', now(), now(), 'spec', 'CA1', $2 from calls`;
    await db.query(twice, [3, 'other']);
    await expect(db.query(twice, [4, 'demo'])).rejects.toThrow(/attempts_provider_sid/);
  } finally {
    await db.destroy();
    await database.drop();
  }
});
