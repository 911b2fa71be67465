import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tables of `Outbox` and `OutboxRelay`; a service lists it among its migrations. */
export class CreateOutbox1764000000000 implements MigrationInterface {
  async up(queries: QueryRunner): Promise<void> {
    await queries.query(`
      create table outbox (
        id bigint generated always as identity primary key,
        topic text not null,
        key text not null,
        headers jsonb not null,
        value text not null,
        created_at timestamptz not null default now()
      )`);
    // Rows live for milliseconds: the dead ones at the head of the index are what the relay reads past, so they go early.
    await queries.query(`
      alter table outbox set (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0
      )`);
    await queries.query(`
      create table outbox_relay (
        id uuid primary key default gen_random_uuid(),
        token uuid,
        batch bigint[] not null default '{}'
      )`);
    await queries.query(`insert into outbox_relay default values`);
    await queries.query(`
      comment on table outbox_relay is
        'One row: id names the relay to Kafka; batch is what it is publishing, token what Kafka remembers once that is committed'`);
  }

  async down(queries: QueryRunner): Promise<void> {
    await queries.query('drop table outbox_relay');
    await queries.query('drop table outbox');
  }
}

export const outboxMigration = CreateOutbox1764000000000;
