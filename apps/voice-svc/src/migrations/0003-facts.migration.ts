import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateFacts1764000003000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table call_facts (
        tenant text,
        call_sid text,
        call_id uuid,
        parent_call_sid text,
        direction text not null,
        sender text not null,
        recipient text not null,
        dialled_at timestamptz(3),
        ringing_at timestamptz(3),
        answered_at timestamptz(3),
        ended_at timestamptz(3),
        status text,
        duration_seconds integer,
        queue_seconds integer,
        answered_by text,
        sip_response_code integer,
        price text,
        currency text,
        asks smallint not null default 0,
        ask_at timestamptz(3),
        told_at timestamptz(3),
        primary key (tenant, call_sid)
      )`);
    await db.query(`create index call_facts_to_ask on call_facts (ask_at) where ask_at is not null`);
    await db.query(`
      create table conferences (
        tenant text not null,
        conference_sid text not null,
        name text not null,
        started_at timestamptz(3),
        ended_at timestamptz(3),
        reason text,
        updated_at timestamptz(3) not null,
        primary key (tenant, conference_sid)
      )`);
    await db.query(`create index conferences_newest on conferences (tenant, updated_at desc)`);
    await db.query(`
      create table conference_participants (
        tenant text not null,
        conference_sid text not null,
        call_sid text not null,
        joined_at timestamptz(3),
        left_at timestamptz(3),
        muted boolean,
        hold boolean,
        sequence integer not null,
        primary key (tenant, conference_sid, call_sid),
        foreign key (tenant, conference_sid) references conferences on delete cascade
      )`);
    // An event of the provider is told once, however often it comes.
    await db.query(`
      create table voice_events_seen (
        tenant text not null,
        event_id text not null,
        at timestamptz(3) not null,
        primary key (tenant, event_id)
      )`);
    await db.query(`create index voice_events_seen_age on voice_events_seen (at)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table voice_events_seen, conference_participants, conferences, call_facts');
  }
}
