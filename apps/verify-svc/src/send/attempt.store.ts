import type { Failure, VerifyChannel } from '@signalbox/contracts';
import { columns, run, runPrepared, type Transaction, type Write } from '@signalbox/persistence';
import type { Why } from '../verification/verification.ts';
import type { Attempt, AttemptState, Delivery } from './attempt.ts';

const attemptColumns = {
  verification_id: 'uuid',
  number: 'integer',
  channel: 'text',
  recipient: 'text',
  why: 'text',
  state: 'text',
  started_at: 'timestamptz',
  lease_until: 'timestamptz',
  worker: 'text',
  finished_at: 'timestamptz',
  provider_sid: 'text',
  attempt_sid: 'text',
  http_status: 'integer',
  error: 'jsonb',
  delivery: 'text',
} as const;

export interface AttemptRow {
  readonly verification_id: string;
  readonly number: number;
  readonly channel: VerifyChannel;
  readonly recipient: string | null;
  readonly why: Why;
  readonly state: AttemptState;
  readonly started_at: Date;
  readonly lease_until: Date;
  readonly worker: string;
  readonly finished_at: Date | null;
  readonly provider_sid: string | null;
  readonly attempt_sid: string | null;
  readonly http_status: number | null;
  readonly error: Failure | null;
  readonly delivery: Delivery | null;
}

const names = Object.keys(attemptColumns).join(', ');

/** Opens attempts; must be committed before the provider is called. */
export function attemptsOpened(attempts: readonly Attempt[]): Write {
  if (attempts.length === 0) return undefined;
  const rows = columns(attempts, attemptColumns, toRow);
  return (first) => ({
    sql: `insert into verification_attempts (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}

/** Saves attempts whose verifications the caller has locked. */
export function attemptsSaved(attempts: readonly Attempt[]): Write {
  if (attempts.length === 0) return undefined;
  const { verification_id, number, state, lease_until, finished_at, provider_sid, attempt_sid } = attemptColumns;
  const { http_status, error, delivery } = attemptColumns;
  const rows = columns(
    attempts,
    {
      ...{ verification_id, number, state, lease_until, finished_at, provider_sid, attempt_sid },
      ...{ http_status, error, delivery },
    },
    toRow,
  );
  return (first) => ({
    sql: `update verification_attempts a
     set state = n.state, lease_until = n.lease_until, finished_at = n.finished_at, provider_sid = n.provider_sid,
         attempt_sid = n.attempt_sid, http_status = n.http_status, error = n.error, delivery = n.delivery
     from ${rows.as('n', first)} where a.verification_id = n.verification_id and a.number = n.number`,
    parameters: rows.parameters,
  });
}

/** All attempts of verifications, by verification, oldest first. Callers that change them hold the verifications' locks. */
export async function attemptsOf(tx: Transaction, ids: readonly string[]): Promise<Map<string, Attempt[]>> {
  const { rows } = await runPrepared<AttemptRow>(
    tx,
    `select ${names} from verification_attempts where verification_id = any($1) order by verification_id, number`,
    [ids],
  );
  const found = new Map<string, Attempt[]>();
  for (const attempt of rows.map(toAttempt)) {
    found.set(attempt.verificationId, [...(found.get(attempt.verificationId) ?? []), attempt]);
  }
  return found;
}

/** Which of the provider's attempts are known to be the tenant's. */
export async function claimedAttempts(tx: Transaction, tenant: string, providerSid: string): Promise<Set<string>> {
  const { rows } = await run<{ attempt_sid: string }>(
    tx,
    `select a.attempt_sid from verification_attempts a join verifications v on v.id = a.verification_id
     where a.provider_sid = $2 and a.attempt_sid is not null and v.tenant = $1`,
    [tenant, providerSid],
  );
  return new Set(rows.map(({ attempt_sid }) => attempt_sid));
}

/** The verifications that were sent under these SIDs; one SID may be of several, as Twilio has one per recipient. */
export async function verificationsBySid(tx: Transaction, sids: readonly string[]): Promise<Map<string, string[]>> {
  const { rows } = await run<{ provider_sid: string; verification_id: string }>(
    tx,
    `select distinct provider_sid, verification_id from verification_attempts where provider_sid = any($1)`,
    [sids],
  );
  const found = new Map<string, string[]>();
  for (const { provider_sid, verification_id } of rows) {
    found.set(provider_sid, [...(found.get(provider_sid) ?? []), verification_id]);
  }
  return found;
}

/**
 * Attempts whose lease ran out without an answer are in doubt from now on, and left alone until `until`: the call may have
 * been made at the last moment.
 */
export async function doubtUnanswered(tx: Transaction, now: Date, until: Date, limit: number): Promise<number> {
  const { affected } = await run(
    tx,
    `update verification_attempts a set state = 'in_doubt', lease_until = $2
     from (
       select verification_id, number from verification_attempts
       where state = 'calling' and lease_until <= $1
       order by lease_until limit $3 for update skip locked
     ) due
     where a.verification_id = due.verification_id and a.number = due.number`,
    [now, until, limit],
  );
  return affected;
}

/** Takes attempts in doubt that are to be looked at, each for one replica at a time: until `until` it is this one's. */
export async function takeDoubtful(tx: Transaction, now: Date, until: Date, limit: number): Promise<Attempt[]> {
  const { rows } = await run<AttemptRow>(
    tx,
    `update verification_attempts a set lease_until = $2
     from (
       select verification_id, number from verification_attempts
       where state = 'in_doubt' and lease_until <= $1
       order by lease_until limit $3 for update skip locked
     ) due
     where a.verification_id = due.verification_id and a.number = due.number
     returning ${names
       .split(', ')
       .map((name) => `a.${name}`)
       .join(', ')}`,
    [now, until, limit],
  );
  return rows.map(toAttempt);
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    verificationId: row.verification_id,
    number: row.number,
    channel: row.channel,
    to: row.recipient,
    why: row.why,
    state: row.state,
    startedAt: row.started_at.toISOString(),
    leaseUntil: row.lease_until.toISOString(),
    worker: row.worker,
    finishedAt: row.finished_at?.toISOString() ?? null,
    providerSid: row.provider_sid,
    attemptSid: row.attempt_sid,
    httpStatus: row.http_status,
    error: row.error,
    delivery: row.delivery,
  };
}

function toRow(attempt: Attempt) {
  return {
    verification_id: attempt.verificationId,
    number: attempt.number,
    channel: attempt.channel,
    recipient: attempt.to,
    why: attempt.why,
    state: attempt.state,
    started_at: attempt.startedAt,
    lease_until: attempt.leaseUntil,
    worker: attempt.worker,
    finished_at: attempt.finishedAt,
    provider_sid: attempt.providerSid,
    attempt_sid: attempt.attemptSid,
    http_status: attempt.httpStatus,
    error: attempt.error,
    delivery: attempt.delivery,
  };
}
