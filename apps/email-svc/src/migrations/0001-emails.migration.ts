import { attemptTable, lineIndex, quotaTables } from '@signalbox/outbound';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEmails1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table emails (
        id uuid primary key,
        tenant text not null,
        idempotency_key text not null,
        request_digest text not null,
        recipient text not null,
        recipient_name text,
        sender text not null,
        reply_to text,
        subject text not null,
        template_id text,
        categories jsonb not null,
        lane smallint not null,
        body_key text not null,
        unsubscribe_group integer,
        ip_pool text,
        correlation_id text,
        metadata jsonb not null,
        send_at timestamptz(3),
        expires_at timestamptz(3),
        traceparent text not null,
        created_at timestamptz(3) not null,
        template_data jsonb,
        state text not null,
        unsent boolean not null,
        sequence integer not null,
        provider_sid text,
        error jsonb,
        attempt integer not null,
        due_at timestamptz(3),
        queue text not null,
        opens integer not null,
        machine_opens integer not null,
        clicks integer not null,
        updated_at timestamptz(3) not null,
        constraint emails_idempotency_key unique (tenant, idempotency_key)
      ) with (fillfactor = 70)`);
    for (const statement of lineIndex('emails')) await db.query(statement);
    await db.query(`create index emails_provider on emails (provider_sid, recipient) where provider_sid is not null`);
    await db.query(`create index emails_listing on emails (tenant, created_at desc, id desc)`);
    await db.query(`create index emails_recipient on emails (tenant, recipient, created_at desc, id desc)`);
    await db.query(`create index emails_body on emails (body_key) where unsent`);

    await db.query(`
      create table email_bodies (
        key text primary key,
        body jsonb not null,
        used_at timestamptz not null
      )`);
    await db.query('create index email_bodies_used on email_bodies (used_at)');

    for (const statement of attemptTable('email_id')) await db.query(statement);
    // Emails that were handed over in one call have one id of the provider.
    await db.query('drop index attempts_provider_sid');
    await db.query('alter table attempts add column called_at timestamptz(3)');
    await db.query(`
      comment on column attempts.called_at is
        'Set before the call and after the claim: an attempt that a dead process left without it was never made'`);
    for (const statement of quotaTables) await db.query(statement);

    await db.query(`
      create table email_history (
        id bigint generated always as identity primary key,
        email_id uuid not null references emails (id) on delete cascade,
        at timestamptz(3) not null,
        kind text not null,
        event_id text,
        provider_event_id text,
        detail jsonb not null
      )`);
    await db.query(`create unique index email_history_event on email_history (email_id, event_id)`);

    await db.query(`
      create table email_smtp_ids (
        tenant text not null,
        smtp_id text not null,
        recipient text not null,
        email_id uuid not null references emails (id) on delete cascade,
        primary key (tenant, smtp_id, recipient)
      )`);

    await db.query(`
      create table unmatched_events (
        event_id text primary key,
        tenant text not null,
        received_at timestamptz(3) not null,
        look_at timestamptz(3),
        callback jsonb not null
      )`);
    await db.query('create index unmatched_events_look on unmatched_events (look_at) where look_at is not null');
    await db.query('create index unmatched_events_received on unmatched_events (received_at)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      `drop table unmatched_events, email_smtp_ids, email_history, quota_buckets, quotas, attempts, email_bodies, emails`,
    );
  }
}
