import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddContent1764000005000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      alter table messages
        add column time_zone text,
        add column consent jsonb,
        add column estimate jsonb`);
    await db.query(`
      create index inbound_messages_window on inbound_messages (tenant, sender, recipient, received_at)
      where channel = 'whatsapp'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index inbound_messages_window');
    await db.query('alter table messages drop column time_zone, drop column consent, drop column estimate');
  }
}
