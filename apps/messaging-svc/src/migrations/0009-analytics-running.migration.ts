import type { MigrationInterface, QueryRunner } from 'typeorm';

const dimensions = ['prefix', 'sender', 'code', 'country', 'carrier'];

export class AddRunningAnalytics1764000009000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table analytics_running (
        at timestamptz(0) not null,
        tenant text collate "C" not null,
        ${dimensions.map((name) => `${name} text collate "C" not null`).join(', ')},
        handed_over integer not null,
        delivered integer not null,
        failed integer not null,
        rejected integer not null,
        expired integer not null,
        canceled integer not null,
        primary key (at, tenant, ${dimensions.join(', ')})
      )`);
    await db.query(`
      comment on table analytics_running is
        'Totals of all UTC days before this one: what happened between two days is the difference of two of them'`);
    await db.query(`
      create table analytics_closed (
        only_row boolean primary key default true check (only_row),
        since timestamptz(0) not null,
        until timestamptz(0) not null
      )`);
    await db.query(`comment on table analytics_closed is 'The first and the last day with running totals'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table analytics_closed, analytics_running');
  }
}
