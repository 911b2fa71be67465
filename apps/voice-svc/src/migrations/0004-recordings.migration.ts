import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateRecordings1764000004000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table recordings (
        tenant text not null,
        recording_sid text not null,
        call_id uuid,
        call_sid text,
        conference_sid text,
        state text not null,
        sequence integer not null,
        source text,
        channels smallint,
        duration_seconds integer,
        price text,
        currency text,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        delete_at timestamptz(3),
        deletion_asks smallint not null default 0,
        deleted_at timestamptz(3),
        proven_at timestamptz(3),
        proof_status smallint,
        asks smallint not null default 0,
        ask_at timestamptz(3),
        primary key (tenant, recording_sid)
      )`);
    await db.query(`create index recordings_newest on recordings (tenant, created_at desc, recording_sid desc)`);
    await db.query(`create index recordings_call on recordings (call_sid)`);
    await db.query(`create index recordings_our_call on recordings (call_id) where call_id is not null`);
    await db.query(
      `create index recordings_to_delete on recordings (delete_at) where delete_at is not null and proven_at is null`,
    );
    // Counted in each pass, and not by reading all whose time has not come.
    await db.query(
      `create index recordings_overdue on recordings (delete_at)
       where delete_at is not null and proven_at is null and deletion_asks > 60`,
    );
    await db.query(`create index recordings_to_ask on recordings (ask_at) where ask_at is not null`);
    await db.query(`
      create table recording_accesses (
        id bigint generated always as identity primary key,
        tenant text not null,
        recording_sid text not null,
        by text not null,
        at timestamptz(3) not null,
        range text
      )`);
    await db.query(`create index recording_accesses_recording on recording_accesses (tenant, recording_sid, id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table recording_accesses, recordings');
  }
}
