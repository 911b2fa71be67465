import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddTotp1764000003000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      create table totp_factors (
        id uuid primary key,
        tenant text not null,
        subject text not null,
        issuer text not null,
        account text not null,
        state text not null,
        sequence integer not null,
        key_id text not null,
        sealed bytea not null,
        last_step bigint,
        wrong_at jsonb not null,
        created_at timestamptz(3) not null,
        activated_at timestamptz(3),
        last_used_at timestamptz(3)
      )`);
    await db.query(`comment on column totp_factors.sealed is 'The secret: AES-256-GCM, bound to tenant and id'`);
    await db.query(`
      comment on column totp_factors.last_step is 'Step of the last code that was taken; that code and older ones are not taken again'`);
    await db.query('create index totp_factors_subject on totp_factors (tenant, subject)');
    await db.query(`create index totp_factors_pending on totp_factors (created_at) where state = 'pending'`);
    await db.query(`
      create table totp_recovery_codes (
        factor_id uuid not null references totp_factors (id) on delete cascade,
        hash text not null,
        used_at timestamptz(3),
        primary key (factor_id, hash)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('drop table totp_recovery_codes, totp_factors');
  }
}
