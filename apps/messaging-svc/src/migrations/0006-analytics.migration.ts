import type { MigrationInterface, QueryRunner } from 'typeorm';

/** C collation: these are codes, compared and grouped by their bytes, by the million. */
const dimensions = ['prefix', 'sender', 'code', 'country', 'carrier'];
const columns = dimensions.map((name) => `${name} text collate "C" not null`).join(', ');
const counts = ['handed_over', 'delivered', 'failed', 'rejected', 'expired', 'canceled']
  .map((name) => `${name} integer not null`)
  .join(', ');

export class AddAnalytics1764000006000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table analytics_deltas (
        id bigint generated always as identity primary key,
        hour timestamptz(0) not null,
        tenant text not null,
        sender text not null,
        digits text not null,
        code text not null,
        outcome text not null,
        count integer not null
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`);
    await db.query(`
      comment on table analytics_deltas is
        'What messages did since the last fold into the rollups; digits: the number without its last four'`);
    for (const period of ['hourly', 'daily']) {
      await db.query(`
        create table analytics_${period} (
          tenant text collate "C" not null,
          at timestamptz(0) not null,
          ${columns},
          ${counts},
          primary key (tenant, at, ${dimensions.join(', ')})
        ) with (fillfactor = 80)`);
    }

    await db.query(`
      create table anomalies (
        id uuid primary key,
        tenant text not null,
        kind text not null,
        scope jsonb not null,
        scope_key text not null,
        opened_at timestamptz(3) not null,
        closed_at timestamptz(3),
        volume integer not null,
        rate double precision not null,
        baseline double precision not null
      )`);
    await db.query(`create unique index anomalies_open on anomalies (tenant, kind, scope_key) where closed_at is null`);
    await db.query(`create index anomalies_listing on anomalies (tenant, opened_at desc, id desc)`);
    await db.query(`
      create table blocked_prefixes (
        tenant text not null,
        prefix text not null,
        signs text[] not null,
        blocked_at timestamptz(3) not null,
        expires_at timestamptz(3) not null,
        lifted_at timestamptz(3),
        primary key (tenant, prefix)
      )`);

    await db.query('alter table messages add column redacted_at timestamptz(3)');
    await db.query('alter table inbound_messages add column redacted_at timestamptz(3)');
    await db.query(`
      create table retention_marks (
        tenant text not null,
        what text not null,
        redacted_until timestamptz(3) not null,
        last_id uuid not null,
        primary key (tenant, what)
      )`);
    await db.query(`
      comment on table retention_marks is 'Up to which time of creation the bodies of a tenant have been seen to'`);
    await db.query(`
      create table retention_deferred (
        message_id uuid primary key references messages (id) on delete cascade,
        erasure uuid
      )`);
    await db.query(`
      comment on table retention_deferred is 'Messages to redact, or to erase, as soon as they have ended'`);
    await db.query(`
      create table erasures (
        id uuid primary key,
        tenant text not null,
        recipient text not null,
        requested_by text not null,
        requested_at timestamptz(3) not null,
        messages integer not null,
        inbound integer not null,
        deferred integer not null
      )`);
    await db.query(`comment on column erasures.recipient is 'Masked: the record of an erasure must not undo it'`);
    await db.query('create index erasures_listing on erasures (tenant, requested_at)');
    await db.query('create index conversations_age on conversations (tenant, last_inbound_at)');
    await db.query('create index unmatched_callbacks_age on unmatched_callbacks (tenant, received_at)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index unmatched_callbacks_age, conversations_age');
    await db.query('drop table erasures, retention_deferred, retention_marks');
    await db.query('alter table inbound_messages drop column redacted_at');
    await db.query('alter table messages drop column redacted_at');
    await db.query('drop table blocked_prefixes, anomalies, analytics_daily, analytics_hourly, analytics_deltas');
  }
}
