import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddFallback1764000004000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      alter table messages
        add column fallback_taken smallint not null default 0,
        add column fallback_at timestamptz(3)`);
    await db.query('create index messages_fallback on messages (fallback_at) where fallback_at is not null');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('alter table messages drop column fallback_taken, drop column fallback_at');
  }
}
