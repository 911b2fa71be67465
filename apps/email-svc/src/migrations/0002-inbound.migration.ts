import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateInbound1764000002000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table inbound_emails (
        id uuid primary key,
        tenant text not null,
        occurrence text not null,
        received_at timestamptz(3) not null,
        sender text not null,
        recipients jsonb not null,
        kind text not null,
        topic text,
        in_reply_to uuid,
        email jsonb not null,
        redacted_at timestamptz(3),
        constraint inbound_emails_occurrence unique (tenant, occurrence)
      )`);
    await db.query('create index inbound_emails_listing on inbound_emails (tenant, received_at desc, id desc)');
    await db.query('create index inbound_emails_sender on inbound_emails (tenant, sender, received_at desc, id desc)');
    await db.query('create index inbound_emails_reply on inbound_emails (in_reply_to) where in_reply_to is not null');
    await db.query(
      'create index inbound_emails_unredacted on inbound_emails (tenant, received_at) where redacted_at is null',
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table inbound_emails');
  }
}
