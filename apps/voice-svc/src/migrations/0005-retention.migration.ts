import { attemptsByTenant } from '@signalbox/outbound';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddRetention1764000005000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const sql of attemptsByTenant('call_id', 'calls')) await db.query(sql);
    await db.query('alter table calls add column redacted_at timestamptz(3)');
    await db.query(`
      create table retention_marks (
        tenant text primary key,
        redacted_until timestamptz(3) not null,
        last_id uuid not null
      )`);
    await db.query(`
      comment on table retention_marks is 'Up to which time of creation the texts of a tenant have been seen to'`);
    await db.query(`
      create table retention_deferred (
        call_id uuid primary key references calls (id) on delete cascade,
        erasure uuid
      )`);
    await db.query(`
      comment on table retention_deferred is 'Calls to redact, or to erase, as soon as they have ended'`);
    await db.query(`
      create table erasures (
        id uuid primary key,
        tenant text not null,
        recipient text not null,
        requested_by text not null,
        requested_at timestamptz(3) not null,
        calls integer not null,
        deferred integer not null,
        other_calls integer not null,
        recordings integer not null
      )`);
    await db.query(`comment on column erasures.recipient is 'Masked: the record of an erasure must not undo it'`);
    await db.query('create index erasures_listing on erasures (tenant, requested_at)');
    await db.query(`
      create table erased_calls (
        tenant text not null,
        call_sid text not null,
        erasure uuid not null,
        erased_at timestamptz(3) not null,
        look_at timestamptz(3) not null,
        primary key (tenant, call_sid)
      )`);
    await db.query(`
      comment on table erased_calls is 'Calls of the provider that were erased and of which something may still be told'`);
    await db.query('create index erased_calls_to_look on erased_calls (look_at)');

    await db.query('alter table call_facts add column created_at timestamptz(3) not null default now()');
    await db.query('create index call_facts_age on call_facts (tenant, created_at)');
    await db.query('create index call_facts_recipient on call_facts (tenant, recipient)');
    await db.query('create index call_facts_sender on call_facts (tenant, sender)');
    await db.query(
      'create index call_facts_parent on call_facts (tenant, parent_call_sid) where parent_call_sid is not null',
    );
    await db.query('create index conference_participants_call on conference_participants (tenant, call_sid)');

    await db.query('alter table recordings add column deletion_try_at timestamptz(3), add column erasure uuid');
    await db.query(`
      comment on column recordings.deletion_try_at is 'When its deletion is tried again; null before the first try'`);
    await db.query(`
      comment on column recordings.erasure is 'Whose it is was erased: it no longer says so when it is proven to be gone'`);
    await db.query('drop index recordings_to_delete, recordings_overdue');
    await db.query(`
      create index recordings_to_delete on recordings (tenant, coalesce(deletion_try_at, delete_at))
      where delete_at is not null and proven_at is null`);
    await db.query(`
      create index recordings_overdue on recordings (delete_at) where delete_at is not null and proven_at is null`);
    await db.query(`create index recordings_gone on recordings (tenant, created_at) where proven_at is not null`);
    await db.query(
      `create index recordings_conference on recordings (tenant, conference_sid) where conference_sid is not null`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index recordings_conference, recordings_gone, recordings_overdue, recordings_to_delete');
    await db.query('alter table recordings drop column erasure, drop column deletion_try_at');
    await db.query(
      `create index recordings_to_delete on recordings (delete_at) where delete_at is not null and proven_at is null`,
    );
    await db.query(
      `create index recordings_overdue on recordings (delete_at)
       where delete_at is not null and proven_at is null and deletion_asks > 60`,
    );
    await db.query('drop index conference_participants_call, call_facts_parent, call_facts_sender');
    await db.query('drop index call_facts_recipient, call_facts_age');
    await db.query('alter table call_facts drop column created_at');
    await db.query('drop table erased_calls, erasures, retention_deferred, retention_marks');
    await db.query('alter table calls drop column redacted_at');
  }
}
