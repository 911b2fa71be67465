import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateWarmup1764000004000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // A table of attempts that was made before they had it. Emails of one call share the provider's id: there is no index of it here.
    await db.query('alter table attempts add column if not exists tenant text');
    await db.query('alter table emails add column pool jsonb');
    await db.query(
      `comment on column emails.pool is 'The IP pool it went through last, and why not the one it was meant for'`,
    );
    await db.query(`
      create table warmup_settings (
        tenant text not null,
        pool text not null,
        plan_start text not null,
        day integer not null,
        since text not null,
        paused boolean not null,
        caps jsonb not null,
        updated_at timestamptz(3) not null,
        primary key (tenant, pool)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table warmup_settings');
    await db.query('alter table emails drop column pool');
  }
}
