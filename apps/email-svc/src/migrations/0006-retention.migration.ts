import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateRetention1764000006000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query('alter table emails add column redacted_at timestamptz(3)');
    // What an erasure looks for: whoever wrote, or is to be answered, is a person as well.
    await db.query(`
      create index emails_reply_to on emails (tenant, (coalesce(substring(reply_to from '<([^<>]+)>$'), reply_to)))
        where reply_to is not null`);
    // No longer than an address can be: what a stranger claims may be, and an entry of an index may not.
    await db.query(`
      create index inbound_emails_envelope on inbound_emails (tenant, lower(left(email ->> 'envelopeFrom', 320)))`);
    await db.query(
      `create index unmatched_events_email on unmatched_events (tenant, lower(left(btrim(callback ->> 'email'), 320)))`,
    );
    // Deletes of emails reach this table through its foreign key.
    await db.query('create index email_smtp_ids_email on email_smtp_ids (email_id)');

    await db.query(`
      create table retention_marks (
        tenant text primary key,
        redacted_until timestamptz(3) not null,
        last_id uuid not null
      )`);
    await db.query(`
      comment on table retention_marks is 'Up to which time of creation the contents of a tenant have been seen to'`);
    await db.query(`
      create table retention_deferred (
        email_id uuid primary key references emails (id) on delete cascade,
        erasure uuid
      )`);
    await db.query(
      `comment on table retention_deferred is 'Emails to redact, or to erase, as soon as they have ended'`,
    );
    await db.query(
      `create index retention_deferred_erasure on retention_deferred (email_id) where erasure is not null`,
    );
    await db.query(`
      create table erasures (
        id uuid primary key,
        tenant text not null,
        recipient text not null,
        requested_by text not null,
        requested_at timestamptz(3) not null,
        emails integer not null,
        inbound integer not null,
        deferred integer not null
      )`);
    await db.query(`comment on column erasures.recipient is 'Masked: the record of an erasure must not undo it'`);
    await db.query('create index erasures_listing on erasures (tenant, requested_at)');
    await db.query('create table blob_deletions (key text primary key, since timestamptz not null)');
    await db.query(`comment on table blob_deletions is 'Attachments that nothing refers to any more, to be deleted'`);

    await db.query(`
      alter table suppression_syncs add column telling_by uuid, add column telling_until timestamptz not null default now()`);
    await db.query(`
      comment on column suppression_syncs.telling_until is 'Until then telling_by alone tells SendGrid of changes'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('alter table suppression_syncs drop column telling_until, drop column telling_by');
    await db.query('drop table blob_deletions, erasures, retention_deferred, retention_marks');
    await db.query('drop index email_smtp_ids_email, unmatched_events_email, inbound_emails_envelope, emails_reply_to');
    await db.query('alter table emails drop column redacted_at');
  }
}
