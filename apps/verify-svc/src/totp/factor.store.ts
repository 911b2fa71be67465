import { type CloudEvent, topics, type TotpFactorChanged } from '@signalbox/contracts';
import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import type { Sealed } from './seal.ts';
import type { Factor } from './totp.rules.ts';

const outbox = new Outbox();

/** A factor with its sealed secret. */
export interface StoredFactor {
  readonly factor: Factor;
  readonly sealed: Sealed;
}

interface FactorRow {
  readonly id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly issuer: string;
  readonly account: string;
  readonly state: Factor['state'];
  readonly sequence: number;
  readonly key_id: string;
  readonly sealed: Buffer;
  readonly last_step: string | null;
  readonly wrong_at: string[];
  readonly created_at: Date;
  readonly activated_at: Date | null;
  readonly last_used_at: Date | null;
}

export async function insertFactor(tx: Transaction, { factor, sealed }: StoredFactor): Promise<void> {
  await run(
    tx,
    `insert into totp_factors (id, tenant, subject, issuer, account, state, sequence, key_id, sealed, wrong_at, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, '[]', $10)`,
    [
      factor.id,
      factor.tenant,
      factor.subject,
      factor.issuer,
      factor.account,
      factor.state,
      factor.sequence,
      sealed.keyId,
      sealed.bytes,
      factor.createdAt,
    ],
  );
}

/** Keeps enrolments and checks of one user apart from each other; holds until the transaction ends. */
export async function lockSubject(tx: Transaction, tenant: string, subject: string): Promise<void> {
  await run(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [`totp ${tenant} ${subject}`]);
}

/** Locks a factor; undefined for what is not there or another tenant's. */
export async function lockFactor(tx: Transaction, tenant: string, id: string): Promise<StoredFactor | undefined> {
  const { rows } = await run<FactorRow>(tx, 'select * from totp_factors where id = $1 and tenant = $2 for update', [
    id,
    tenant,
  ]);
  return rows.map(toStored)[0];
}

/** Locks those of a user, the oldest first. */
export async function lockFactors(tx: Transaction, tenant: string, subject: string): Promise<StoredFactor[]> {
  const { rows } = await run<FactorRow>(
    tx,
    'select * from totp_factors where tenant = $1 and subject = $2 order by id for update',
    [tenant, subject],
  );
  return rows.map(toStored);
}

/** Locks those of several users in one order, before they are looked at one by one: others do the same. */
export async function lockFactorsOf(
  tx: Transaction,
  users: readonly { tenant: string; subject: string }[],
): Promise<void> {
  const wanted = columns(users, { tenant: 'text', subject: 'text' });
  await run(
    tx,
    `select id from totp_factors f where (tenant, subject) in (select tenant, subject from ${wanted.as('n')})
     order by id for update`,
    wanted.parameters,
  );
}

export async function readFactors(tx: Transaction, tenant: string, subject: string): Promise<Factor[]> {
  const { rows } = await run<FactorRow>(
    tx,
    'select * from totp_factors where tenant = $1 and subject = $2 order by id',
    [tenant, subject],
  );
  return rows.map((row) => toStored(row).factor);
}

/**
 * Saves a locked factor, and its secret when it is sealed anew. False when a later code was taken meanwhile: the lock keeps
 * others out, and this whoever forgets it.
 */
export async function saveFactor(tx: Transaction, factor: Factor, sealed?: Sealed): Promise<boolean> {
  const { affected } = await run(
    tx,
    `update totp_factors
     set state = $2, sequence = $3, last_step = $4, wrong_at = $5, activated_at = $6, last_used_at = $7,
       key_id = coalesce($8, key_id), sealed = coalesce($9, sealed)
     where id = $1 and sequence <= $3 and coalesce(last_step, -1) <= coalesce($4, -1)`,
    [
      factor.id,
      factor.state,
      factor.sequence,
      factor.lastStep,
      JSON.stringify(factor.wrongAt),
      factor.activatedAt,
      factor.lastUsedAt,
      sealed?.keyId ?? null,
      sealed?.bytes ?? null,
    ],
  );
  return affected === 1;
}

export async function deleteFactors(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await run(tx, 'delete from totp_factors where id = any($1)', [ids]);
}

/** Locks enrolments that nobody finished, and that nobody works on. */
export async function lockUnfinished(tx: Transaction, before: Date, limit: number): Promise<Factor[]> {
  const { rows } = await run<FactorRow>(
    tx,
    `select * from totp_factors where state = 'pending' and created_at <= $1
     order by created_at limit $2 for update skip locked`,
    [before, limit],
  );
  return rows.map((row) => toStored(row).factor);
}

/** Replaces the recovery codes of a factor. */
export async function writeRecoveryCodes(tx: Transaction, factorId: string, hashes: readonly string[]): Promise<void> {
  await run(tx, 'delete from totp_recovery_codes where factor_id = $1', [factorId]);
  const rows = columns(
    hashes.map((hash) => ({ factor_id: factorId, hash })),
    { factor_id: 'uuid', hash: 'text' },
  );
  await run(tx, `insert into totp_recovery_codes (${rows.names}) select * from ${rows.as('n')}`, rows.parameters);
}

/** Uses one up; true for exactly one of all who try. */
export async function useRecoveryCode(tx: Transaction, factorId: string, hash: string, now: Date): Promise<boolean> {
  const { affected } = await run(
    tx,
    'update totp_recovery_codes set used_at = $3 where factor_id = $1 and hash = $2 and used_at is null',
    [factorId, hash, now],
  );
  return affected === 1;
}

export async function countRecoveryCodes(tx: Transaction, factorIds: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await run<{ factor_id: string; left: number }>(
    tx,
    `select factor_id, count(*)::int as left from totp_recovery_codes
     where factor_id = any($1) and used_at is null group by factor_id`,
    [factorIds],
  );
  return new Map(rows.map((row) => [row.factor_id, row.left]));
}

/** Factors by state and by the key that seals them. */
export async function countFactors(tx: Transaction): Promise<{ state: string; key: string; count: number }[]> {
  const { rows } = await run<{ state: string; key: string; count: number }>(
    tx,
    'select state, key_id as key, count(*)::int as count from totp_factors group by state, key_id',
  );
  return rows;
}

/** What happened to a factor; its `sequence` is that of the change. */
export async function tellFactor(
  tx: Transaction,
  factor: Factor,
  change: TotpFactorChanged['change'],
  now: Date,
): Promise<void> {
  const data: TotpFactorChanged = {
    tenant: factor.tenant,
    factorId: factor.id,
    subject: factor.subject,
    sequence: factor.sequence,
    change,
    at: now.toISOString(),
  };
  const event: CloudEvent = {
    id: `${factor.id}.${factor.sequence}`,
    source: '//signalbox/verify-svc',
    type: 'verify.totp-factor.changed.v1',
    time: data.at,
    subject: factor.id,
    data,
  };
  await outbox.append(tx, [{ topic: topics.verifyEvents.name, key: factor.id, event }]);
}

function toStored(row: FactorRow): StoredFactor {
  return {
    factor: {
      id: row.id,
      tenant: row.tenant,
      subject: row.subject,
      issuer: row.issuer,
      account: row.account,
      state: row.state,
      sequence: row.sequence,
      lastStep: row.last_step === null ? null : Number(row.last_step),
      wrongAt: row.wrong_at,
      createdAt: row.created_at.toISOString(),
      activatedAt: row.activated_at?.toISOString() ?? null,
      lastUsedAt: row.last_used_at?.toISOString() ?? null,
    },
    sealed: { keyId: row.key_id, bytes: row.sealed },
  };
}
