import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateVerifications1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table verifications (
        id uuid primary key,
        tenant text not null,
        idempotency_key text not null,
        request_digest text not null,
        recipient text,
        recipient_hash text not null,
        request jsonb not null,
        service_sid text,
        plan jsonb not null,
        position integer not null,
        state text not null,
        sequence integer not null,
        provider_sid text,
        error jsonb,
        refused text,
        codes text[] not null,
        checks integer not null,
        wrong integer not null,
        max_checks integer not null,
        sends integer not null,
        attempts integer not null,
        wants text,
        last_sent_at timestamptz(3),
        expires_at timestamptz(3),
        due_at timestamptz(3),
        to_tell text,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        redacted_at timestamptz(3),
        constraint verifications_idempotency_key unique (tenant, idempotency_key)
      )`);
    // Counters change with every check, in the page they stand in.
    await db.query('alter table verifications set (fillfactor = 80)');
    await db.query('create index verifications_due on verifications (due_at) where due_at is not null');
    await db.query(`
      create index verifications_open on verifications (recipient_hash)
      where state in ('accepted', 'pending', 'denied')`);
    await db.query('create index verifications_age on verifications (tenant, created_at)');
    await db.query(
      'create index verifications_unredacted on verifications (tenant, created_at) where redacted_at is null',
    );
    await db.query(`
      comment on column verifications.refused is
        'Why the guard refused it: to its caller it looks like any other, but nothing is sent and no code is right'`);
    await db.query(`
      create table verification_attempts (
        verification_id uuid not null references verifications (id) on delete cascade,
        number integer not null,
        channel text not null,
        recipient text,
        why text not null,
        state text not null,
        started_at timestamptz(3) not null,
        lease_until timestamptz(3) not null,
        worker text not null,
        finished_at timestamptz(3),
        provider_sid text,
        attempt_sid text,
        http_status integer,
        error jsonb,
        delivery text,
        primary key (verification_id, number)
      )`);
    await db.query(`
      create index verification_attempts_open on verification_attempts (lease_until)
      where state in ('calling', 'in_doubt')`);
    await db.query(`
      create index verification_attempts_provider on verification_attempts (provider_sid)
      where provider_sid is not null`);
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
    await db.query(`
      create table send_windows (
        key text primary key,
        at bigint[] not null,
        sends integer[] not null,
        expires_at timestamptz(3) not null
      )`);
    await db.query('alter table send_windows set (fillfactor = 50)');
    await db.query('create index send_windows_expiry on send_windows (expires_at)');
    await db.query(`
      comment on table send_windows is
        'Sends of the last period for each recipient, user, address and tenant, by a keyed hash; locked in key order'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table send_windows, verification_history, verification_attempts, verifications');
  }
}
