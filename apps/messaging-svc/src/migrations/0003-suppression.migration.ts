import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSuppressions1764000003000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table suppressions (
        tenant text not null,
        recipient text not null,
        channel text not null,
        scope text not null,
        state text not null,
        reason text not null,
        keyword text,
        source text,
        sequence integer not null,
        changed_at timestamptz(3) not null,
        primary key (tenant, recipient, channel, scope)
      )`);
    await db.query(`
      create table suppression_changes (
        tenant text not null,
        recipient text not null,
        channel text not null,
        scope text not null,
        sequence integer not null,
        state text not null,
        reason text not null,
        keyword text,
        source text,
        at timestamptz(3) not null,
        primary key (tenant, recipient, channel, scope, sequence)
      )`);
    await db.query(
      `create index suppression_changes_refused on suppression_changes (tenant, at) where reason = 'provider_refused'`,
    );
    await db.query(`
      create table sender_pools (
        tenant text not null,
        sender text not null,
        messaging_service_sid text not null,
        primary key (tenant, sender)
      )`);
    await db.query(`
      comment on table sender_pools is
        'Which messaging service a sender belongs to, as callbacks last said: the provider keeps opt-outs per service'`);

    await db.query(`
      create table conversations (
        tenant text not null,
        person text not null,
        messaging_service_sid text not null,
        sender text not null,
        last_inbound_at timestamptz(3) not null,
        primary key (tenant, person, messaging_service_sid)
      )`);
    await db.query(`
      comment on table conversations is
        'The sender a person last wrote to, per messaging service; without a service its column is empty'`);
    await db.query('alter table inbound_messages add column in_reply_to uuid');
    await db.query('create index inbound_messages_listing on inbound_messages (tenant, received_at desc, id desc)');
    await db.query(
      'create index inbound_messages_sender on inbound_messages (tenant, sender, received_at desc, id desc)',
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop index inbound_messages_sender, inbound_messages_listing');
    await db.query('alter table inbound_messages drop column in_reply_to');
    await db.query('drop table conversations, sender_pools, suppression_changes, suppressions');
  }
}
