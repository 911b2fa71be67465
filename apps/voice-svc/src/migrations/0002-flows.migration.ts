import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateFlows1764000002000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table flow_versions (
        tenant text not null,
        name text not null,
        version integer not null,
        definition jsonb not null,
        digest text not null,
        created_at timestamptz(3) not null,
        created_by text not null,
        primary key (tenant, name, version)
      )`);
    await db.query(`
      create table flows (
        tenant text not null,
        name text not null,
        active_version integer not null,
        primary key (tenant, name),
        foreign key (tenant, name, active_version) references flow_versions
      )`);
    await db.query(`
      create table flow_activations (
        id bigint generated always as identity primary key,
        tenant text not null,
        name text not null,
        version integer not null,
        at timestamptz(3) not null,
        by text not null
      )`);
    await db.query(`create index flow_activations_of_flow on flow_activations (tenant, name, id)`);
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
    // What a caller was told is a page of text that is read once, if at all, and removed after a day.
    await db.query(`alter table flow_steps alter column document set storage main`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table flow_steps, flow_sessions, flow_activations, flows, flow_versions');
  }
}
