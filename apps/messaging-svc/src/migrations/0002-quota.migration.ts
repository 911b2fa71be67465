import { quotaTables } from '@signalbox/outbound';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddQuotas1764000002000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const table of quotaTables) await db.query(table);

    await db.query(`alter table messages add column queue text not null default ''`);
    // A waiting line is a range of this index, and the first of every line is found by skipping from one to the next.
    await db.query(`create index messages_waiting on messages (lane, tenant, queue, due_at) where due_at is not null`);
    await db.query(`drop index messages_due`);
    // A long campaign leaves the index entries of what is sent at the head of its line: the default of a fifth is too late.
    await db.query(`alter table messages set (autovacuum_vacuum_scale_factor = 0.05)`);
    await db.query(`
      create index messages_waiting_expiry on messages (tenant, queue, expires_at)
      where due_at is not null and expires_at is not null`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index messages_waiting, messages_waiting_expiry');
    await db.query('alter table messages reset (autovacuum_vacuum_scale_factor)');
    await db.query('alter table messages drop column queue');
    await db.query(`create index messages_due on messages (lane, due_at) where due_at is not null`);
    await db.query('drop table quota_buckets, quotas');
  }
}
