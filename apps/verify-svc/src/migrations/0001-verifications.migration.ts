import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateVerifications1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table verifications (
        id uuid primary key,
        tenant text not null,
        idempotency_key text not null,
        request_digest text not null,
        request jsonb not null,
        created_at timestamptz(3) not null,
        state text not null,
        sequence integer not null,
        provider_sid text,
        error jsonb,
        updated_at timestamptz(3) not null,
        constraint verifications_idempotency_key unique (tenant, idempotency_key)
      )`);
    await db.query(`
      create table verification_history (
        id bigint generated always as identity primary key,
        verification_id uuid not null references verifications (id) on delete cascade,
        at timestamptz(3) not null,
        kind text not null,
        event_id text,
        detail jsonb not null
      )`);
    await db.query(
      `create unique index verification_history_event on verification_history (verification_id, event_id)`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table verification_history, verifications');
  }
}
