import { attemptTable, lineIndex, quotaTables } from '@signalbox/outbound';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateCalls1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table calls (
        id uuid primary key,
        tenant text not null,
        idempotency_key text not null,
        request_digest text not null,
        request jsonb not null,
        recipient text not null,
        sender text,
        lane smallint not null,
        traceparent text not null,
        created_at timestamptz(3) not null,
        state text not null,
        sequence integer not null,
        round smallint not null,
        provider_sid text,
        earlier_sids jsonb not null,
        error jsonb,
        attempt integer not null,
        due_at timestamptz(3),
        queue text not null,
        check_at timestamptz(3),
        cancel_requested boolean not null,
        answered_by text,
        duration_seconds integer,
        updated_at timestamptz(3) not null,
        constraint calls_idempotency_key unique (tenant, idempotency_key)
      )`);
    await db.query(`create index calls_newest on calls (tenant, created_at desc, id desc)`);
    await db.query(`create index calls_recipient on calls (tenant, recipient, created_at desc, id desc)`);
    await db.query(`create index calls_unheard on calls (check_at) where check_at is not null`);
    await db.query(`
      create table call_history (
        id bigint generated always as identity primary key,
        call_id uuid not null references calls (id) on delete cascade,
        at timestamptz(3) not null,
        kind text not null,
        event_id text,
        detail jsonb not null
      )`);
    await db.query(`create unique index call_history_event on call_history (call_id, event_id)`);
    await db.query(`create index call_history_call on call_history (call_id, id)`);
    for (const sql of [...quotaTables, ...attemptTable('call_id'), ...lineIndex('calls')]) await db.query(sql);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table attempts, quota_buckets, quotas, call_history, calls');
  }
}
