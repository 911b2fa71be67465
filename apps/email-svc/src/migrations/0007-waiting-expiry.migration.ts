import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexWaitingExpiry1764000007000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // A line that is held for long is looked through for what expires in it, again and again.
    await db.query(`
      create index emails_waiting_expiry on emails (tenant, queue, expires_at)
      where due_at is not null and expires_at is not null`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index emails_waiting_expiry');
  }
}
