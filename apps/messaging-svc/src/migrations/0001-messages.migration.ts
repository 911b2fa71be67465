import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateMessages1764000001000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table messages (
        id uuid primary key,
        tenant text not null,
        idempotency_key text not null,
        request_digest text not null,
        channel text not null,
        recipient text not null,
        sender text,
        messaging_service_sid text,
        content jsonb not null,
        lane smallint not null,
        fallback jsonb not null,
        metadata jsonb not null,
        send_at timestamptz(3),
        expires_at timestamptz(3),
        traceparent text not null,
        created_at timestamptz(3) not null,
        state text not null,
        sequence integer not null,
        provider_sid text,
        error jsonb,
        attempt integer not null,
        due_at timestamptz(3),
        check_at timestamptz(3),
        updated_at timestamptz(3) not null,
        constraint messages_idempotency_key unique (tenant, idempotency_key)
      )`);
    await db.query(`create index messages_due on messages (lane, due_at) where due_at is not null`);
    await db.query(`create index messages_check on messages (check_at) where check_at is not null`);
    await db.query(`create index messages_provider_sid on messages (provider_sid) where provider_sid is not null`);
    await db.query(`create index messages_listing on messages (tenant, created_at desc, id desc)`);
    await db.query(`create index messages_recipient on messages (tenant, recipient, created_at desc, id desc)`);

    await db.query(`
      create table attempts (
        message_id uuid not null references messages (id) on delete cascade,
        number integer not null,
        state text not null,
        started_at timestamptz(3) not null,
        lease_until timestamptz(3) not null,
        worker text not null,
        finished_at timestamptz(3),
        provider_sid text,
        http_status integer,
        error jsonb,
        primary key (message_id, number)
      )`);
    await db.query(`create index attempts_open on attempts (lease_until) where state in ('calling', 'in_doubt')`);
    // One message of the provider belongs to one attempt of ours: the last guard against claiming it twice.
    await db.query(
      `create unique index attempts_provider_sid on attempts (provider_sid) where provider_sid is not null`,
    );

    await db.query(`
      create table message_history (
        id bigint generated always as identity primary key,
        message_id uuid not null references messages (id) on delete cascade,
        at timestamptz(3) not null,
        kind text not null,
        event_id text,
        detail jsonb not null
      )`);
    await db.query(`create unique index message_history_event on message_history (message_id, event_id)`);

    await db.query(`
      create table unmatched_callbacks (
        event_id text primary key,
        tenant text not null,
        provider_sid text not null,
        received_at timestamptz(3) not null,
        callback jsonb not null
      )`);
    await db.query(`create index unmatched_callbacks_sid on unmatched_callbacks (provider_sid)`);

    await db.query(`
      create table inbound_messages (
        id uuid primary key,
        tenant text not null,
        provider_sid text not null,
        channel text not null,
        sender text not null,
        recipient text not null,
        body text,
        media jsonb not null,
        opt_out_type text,
        received_at timestamptz(3) not null,
        constraint inbound_messages_provider_sid unique (tenant, provider_sid)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table inbound_messages, unmatched_callbacks, message_history, attempts, messages');
  }
}
