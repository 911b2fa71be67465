import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The id of a callback is its sender's word: one tenant's must not stand in the way of another's. */
export class KeyUnmatchedByTenant1764000010000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`alter table unmatched_callbacks drop constraint unmatched_callbacks_pkey`);
    await db.query(`alter table unmatched_callbacks add primary key (tenant, event_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    // Of two tenants' callbacks with one id, the first that came is kept, as it would have been.
    await db.query(`
      delete from unmatched_callbacks u using unmatched_callbacks o
      where o.event_id = u.event_id and (o.received_at, o.tenant) < (u.received_at, u.tenant)`);
    await db.query(`alter table unmatched_callbacks drop constraint unmatched_callbacks_pkey`);
    await db.query(`alter table unmatched_callbacks add primary key (event_id)`);
  }
}
