import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A call has one row, with what it was told last. Calls under way get theirs anew at their next step: the URL says where they are. */
export class OneRowACall1764000006000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query('drop table flow_steps, flow_sessions');
    // Each step is a new version of the row, on the same page while there is room: no index may be on what a step changes.
    await db.query(`
      create table flow_sessions (
        tenant text not null,
        call_sid text not null,
        call_id uuid,
        flow text not null,
        version integer not null,
        step integer not null,
        state jsonb not null,
        digest bytea not null,
        document text not null,
        queue text,
        conference text,
        earlier jsonb,
        begun_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        primary key (tenant, call_sid)
      ) with (fillfactor = 50)`);
    await db.query(`alter table flow_sessions alter column document set storage main`);
    await db.query(`
      comment on column flow_sessions.earlier is 'How far the call came in flows it was in before this one: {"flow": step}'`);
    await db.query(`create index flow_sessions_waiting on flow_sessions (tenant, queue) where queue is not null`);
    await db.query(
      `create index flow_sessions_conferring on flow_sessions (tenant, conference) where conference is not null`,
    );
    await db.query(`create index flow_sessions_age on flow_sessions (begun_at)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table flow_sessions');
    await db.query(`
      create table flow_sessions (
        tenant text not null,
        call_sid text not null,
        call_id uuid,
        flow text not null,
        version integer not null,
        step integer not null,
        state jsonb not null,
        queue text,
        conference text,
        begun_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        primary key (tenant, call_sid)
      )`);
    await db.query(`create index flow_sessions_waiting on flow_sessions (tenant, queue) where queue is not null`);
    await db.query(
      `create index flow_sessions_conferring on flow_sessions (tenant, conference) where conference is not null`,
    );
    await db.query(`create index flow_sessions_age on flow_sessions (updated_at)`);
    await db.query(`
      create table flow_steps (
        tenant text not null,
        call_sid text not null,
        flow text not null,
        step integer not null,
        node text not null,
        digest bytea not null,
        document text not null,
        at timestamptz(3) not null,
        primary key (tenant, call_sid, flow, step)
      )`);
    await db.query(`create index flow_steps_age on flow_steps using brin (at)`);
    await db.query(`alter table flow_steps alter column document set storage main`);
  }
}
