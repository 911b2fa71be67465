import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSuppressions1764000003000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table suppressions (
        tenant text not null,
        recipient text not null,
        scope text not null,
        state text not null,
        reason text not null,
        source text,
        sequence integer not null,
        changed_at timestamptz(3) not null,
        told integer not null,
        primary key (tenant, recipient, scope)
      )`);
    await db.query(`comment on column suppressions.told is 'The last change, by its sequence, that SendGrid knows of'`);
    await db.query('create index suppressions_untold on suppressions (changed_at) where told < sequence');
    await db.query(`
      create table suppression_changes (
        tenant text not null,
        recipient text not null,
        scope text not null,
        sequence integer not null,
        state text not null,
        reason text not null,
        source text,
        at timestamptz(3) not null,
        primary key (tenant, recipient, scope, sequence)
      )`);
    await db.query(`
      create table suppression_syncs (
        tenant text primary key,
        next_at timestamptz not null,
        since bigint not null
      )`);
    await db.query(
      `comment on column suppression_syncs.since is 'Unix seconds up to which the lists of SendGrid were read'`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table suppression_syncs, suppression_changes, suppressions');
  }
}
