import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A tenant may name another's SID in a callback of its own: it must not stand in the way of whose it is. */
export class KeyAttemptsByTenant1764000011000 implements MigrationInterface {
  // The table is among the largest: dispatch goes on while the index is made. What was cut off is done again.
  transaction = false;

  async up(db: QueryRunner): Promise<void> {
    // Earlier attempts stay without: no two of them have one SID, and what looks for a SID takes them for everybody's.
    await db.query(`alter table attempts add column if not exists tenant text`);
    await db.query(`comment on column attempts.tenant is 'Whose the id of the provider is; null until there is one'`);
    await db.query(`drop index concurrently if exists attempts_by_tenant`);
    await db.query(`
      create unique index concurrently attempts_by_tenant on attempts (tenant, provider_sid)
      where provider_sid is not null`);
    await db.query(`drop index concurrently if exists attempts_provider_sid`);
    await db.query(`alter index attempts_by_tenant rename to attempts_provider_sid`);
  }

  async down(db: QueryRunner): Promise<void> {
    // Of two tenants' attempts with one SID, the one that began first keeps it, as it would have.
    await db.query(`
      update attempts a set provider_sid = null from attempts o
      where o.provider_sid = a.provider_sid and (o.started_at, o.message_id) < (a.started_at, a.message_id)`);
    await db.query(`drop index if exists attempts_provider_sid`);
    await db.query(`alter table attempts drop column if exists tenant`);
    await db.query(
      `create unique index attempts_provider_sid on attempts (provider_sid) where provider_sid is not null`,
    );
  }
}
