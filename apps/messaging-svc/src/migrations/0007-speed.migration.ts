import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What every callback and every attempt writes, made cheap: an update of a message touches no index, so that Postgres can
 * keep it on its page (HOT), and no row is checked for a message whose lock its writer holds anyway.
 */
export class SpeedUp1764000007000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table message_checks (
        check_at timestamptz(3) not null,
        message_id uuid not null
      )`);
    await db.query(`
      comment on table message_checks is
        'Reminders to ask the provider about a message; one counts only while the check_at of its message is due as well'`);
    await db.query(`insert into message_checks select check_at, id from messages where check_at is not null`);
    await db.query(`create index message_checks_due on message_checks (check_at)`);
    await db.query(`drop index messages_check`);

    // Room in each page for the next version of its rows.
    await db.query(`alter table messages set (fillfactor = 80)`);
    await db.query(`alter table message_history drop constraint message_history_message_id_fkey`);
    await db.query(`alter table attempts drop constraint attempts_message_id_fkey`);
    // Lines are read by their message, and ordered by an id that needs no index for that.
    await db.query(`alter table message_history drop constraint message_history_pkey`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`alter table message_history add primary key (id)`);
    await db.query(`
      alter table attempts add constraint attempts_message_id_fkey
        foreign key (message_id) references messages (id) on delete cascade`);
    await db.query(`
      alter table message_history add constraint message_history_message_id_fkey
        foreign key (message_id) references messages (id) on delete cascade`);
    await db.query(`alter table messages reset (fillfactor)`);
    await db.query(`create index messages_check on messages (check_at) where check_at is not null`);
    await db.query(`drop table message_checks`);
  }
}
