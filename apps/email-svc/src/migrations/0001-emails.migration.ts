import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEmails1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table emails (
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
        constraint emails_idempotency_key unique (tenant, idempotency_key)
      )`);
    await db.query(`
      create table email_history (
        id bigint generated always as identity primary key,
        email_id uuid not null references emails (id) on delete cascade,
        at timestamptz(3) not null,
        kind text not null,
        event_id text,
        detail jsonb not null
      )`);
    await db.query(`create unique index email_history_event on email_history (email_id, event_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table email_history, emails');
  }
}
