import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddGuard1764000002000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // C collation: digits and addresses, compared by their bytes.
    await db.query(`
      create table guard_starts (
        verification_id uuid primary key,
        tenant text collate "C" not null,
        number text collate "C" not null,
        block text collate "C" not null,
        network text collate "C",
        subject text collate "C",
        at timestamptz(3) not null,
        approved_at timestamptz(3),
        refused text
      ) with (fillfactor = 80)`);
    await db.query(`
      comment on table guard_starts is
        'Verifications of the last hours as the guard counts them; refused: nothing was sent, by the guard or by the provider'`);
    await db.query(`create index guard_starts_block on guard_starts (tenant, block, at)`);
    await db.query(`create index guard_starts_network on guard_starts (tenant, network, at) where network is not null`);
    await db.query(`create index guard_starts_subject on guard_starts (tenant, subject, at) where subject is not null`);
    await db.query(`create index guard_starts_age on guard_starts (at)`);
    await db.query(`
      create table guard_deltas (
        id bigint generated always as identity primary key,
        tenant text not null,
        block text not null,
        started integer not null,
        approved integer not null
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`);
    await db.query(`
      comment on table guard_deltas is
        'What happened since the last fold into guard_prefixes; only appended to, so that no two starts wait for one row'`);
    await db.query(`
      create table guard_prefixes (
        tenant text collate "C" not null,
        prefix text collate "C" not null,
        started double precision not null,
        approved double precision not null,
        long_started double precision not null,
        long_approved double precision not null,
        at timestamptz(3) not null,
        primary key (tenant, prefix)
      ) with (fillfactor = 80)`);
    await db.query(`
      comment on table guard_prefixes is
        'Counts that fade with their age, as of the time in "at": of about an hour, and of about a week (long)'`);
    await db.query(`create index guard_prefixes_age on guard_prefixes (at)`);
    await db.query(`
      create table guard_blocks (
        id uuid primary key,
        tenant text collate "C" not null,
        prefix text collate "C" not null,
        level text not null,
        made_by text not null,
        signs text[] not null,
        note text,
        started double precision not null,
        approved double precision not null,
        usual_share double precision not null,
        blocked_at timestamptz(3) not null,
        expires_at timestamptz(3),
        ended_at timestamptz(3),
        ended_by text,
        excluded boolean not null default false
      )`);
    await db.query(`
      comment on table guard_blocks is
        'made_by: guard or admin; ended_by: time, conversion, admin or replaced; excluded: its counts are out of the wider prefixes'`);
    await db.query(`create unique index guard_blocks_standing on guard_blocks (tenant, prefix) where ended_at is null`);
    await db.query(`
      create index guard_blocks_freed on guard_blocks (tenant, prefix) where made_by = 'guard' and ended_by = 'admin'`);
    await db.query(`create index guard_blocks_listing on guard_blocks (tenant, blocked_at desc)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table guard_blocks, guard_prefixes, guard_deltas, guard_starts');
  }
}
