import type { MigrationInterface, QueryRunner } from 'typeorm';

const counts = `
        attempted integer not null,
        delivered integer not null,
        hard_bounces integer not null,
        soft_bounces integer not null,
        blocks integer not null,
        complaints integer not null,
        opens integer not null,
        machine_opens integer not null`;

export class CreateDeliverability1764000005000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // Inserted only, so that no batch of events waits for another one's; folded into hours soon after.
    await db.query(`
      create table deliverability_deltas (
        id bigint generated always as identity primary key,
        tenant text not null,
        stream text not null,
        provider text not null,
        from_domain text not null,
        hour timestamptz not null,${counts}
      )`);
    await db.query(`
      create table deliverability_hourly (
        tenant text not null,
        stream text not null,
        provider text not null,
        from_domain text not null,
        hour timestamptz not null,${counts},
        primary key (tenant, stream, provider, from_domain, hour)
      ) with (fillfactor = 70)`);
    await db.query('create index deliverability_hourly_hour on deliverability_hourly (hour)');
    await db.query(`
      create table email_streams (
        tenant text not null,
        stream text not null,
        provider text not null,
        state text not null,
        restriction uuid,
        reason text,
        since timestamptz(3) not null,
        until timestamptz(3),
        volume integer not null,
        rate double precision not null,
        threshold double precision not null,
        by text,
        why text,
        forgiven_at timestamptz(3),
        forgiven jsonb,
        primary key (tenant, stream, provider)
      )`);
    await db.query(
      `comment on column email_streams.forgiven is 'Counts of the hour of forgiven_at that were there when a person lifted a restriction: not held against it again'`,
    );
    await db.query(`
      create table email_stream_changes (
        id bigint generated always as identity primary key,
        tenant text not null,
        stream text not null,
        provider text not null,
        at timestamptz(3) not null,
        previous text not null,
        state text not null,
        reason text,
        volume integer not null,
        rate double precision not null,
        threshold double precision not null,
        by text,
        why text
      )`);
    await db.query('create index email_stream_changes_listing on email_stream_changes (tenant, at desc, id desc)');
    await db.query(`
      create table sending_domains (
        tenant text not null,
        domain text not null,
        seen_at timestamptz(3) not null,
        next_at timestamptz(3) not null,
        checked_at timestamptz(3),
        report jsonb,
        primary key (tenant, domain)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'drop table sending_domains, email_stream_changes, email_streams, deliverability_hourly, deliverability_deltas',
    );
  }
}
