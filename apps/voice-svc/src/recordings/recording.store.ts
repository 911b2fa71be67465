import type { RecordingState } from '@signalbox/contracts';
import { columns, run, type Transaction, type Write } from '@signalbox/persistence';
import type { Recording, RecordingStep } from './recording.ts';

const recordingColumns = {
  tenant: 'text',
  recording_sid: 'text',
  call_id: 'uuid',
  call_sid: 'text',
  conference_sid: 'text',
  state: 'text',
  sequence: 'integer',
  source: 'text',
  channels: 'smallint',
  duration_seconds: 'integer',
  price: 'text',
  currency: 'text',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  delete_at: 'timestamptz',
  deleted_at: 'timestamptz',
  proven_at: 'timestamptz',
  proof_status: 'smallint',
  ask_at: 'timestamptz',
} as const;

export interface RecordingRow {
  readonly recording_sid: string;
  readonly tenant: string;
  readonly call_id: string | null;
  readonly call_sid: string | null;
  readonly conference_sid: string | null;
  readonly state: RecordingState;
  readonly sequence: number;
  readonly source: string | null;
  readonly channels: number | null;
  readonly duration_seconds: number | null;
  readonly price: string | null;
  readonly currency: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly delete_at: Date | null;
  readonly deleted_at: Date | null;
  readonly proven_at: Date | null;
  readonly proof_status: number | null;
  readonly erasure: string | null;
}

export type RecordingKey = Pick<Recording, 'tenant' | 'recordingSid'>;

/** A tenant may name the SID of another's recording in a callback of its own: neither learns or spoils what the other has. */
export const keyOf = ({ tenant, recordingSid }: RecordingKey): string => `${tenant} ${recordingSid}`;

/** Locks them, in order, by `keyOf`; unknown ones are left out. */
export async function lockRecordings(
  tx: Transaction,
  recordings: readonly RecordingKey[],
): Promise<Map<string, Recording>> {
  if (recordings.length === 0) return new Map();
  const keys = columns(recordings, { tenant: 'text', recording_sid: 'text' }, ({ tenant, recordingSid }) => ({
    tenant,
    recording_sid: recordingSid,
  }));
  const { rows } = await run<RecordingRow>(
    tx,
    `select * from recordings where (tenant, recording_sid) in (select tenant, recording_sid from ${keys.as('k')})
     order by tenant, recording_sid for update`,
    keys.parameters,
  );
  return new Map(rows.map(toRecording).map((recording) => [keyOf(recording), recording]));
}

/**
 * Saves locked or new ones. Two transactions that both find one new are told apart by its sequence: the later one of equal
 * sequence changes nothing.
 *
 * @param askAt when the provider is first asked what it costs
 */
export function recordingsWrite(steps: readonly RecordingStep[], askAt: Date): Write {
  if (steps.length === 0) return undefined;
  const latest = new Map(steps.map(({ recording }) => [keyOf(recording), recording]));
  const sorted = [...latest.values()].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const rows = columns(sorted, recordingColumns, (recording) => ({
    tenant: recording.tenant,
    recording_sid: recording.recordingSid,
    call_id: recording.callId,
    call_sid: recording.callSid,
    conference_sid: recording.conferenceSid,
    state: recording.state,
    sequence: recording.sequence,
    source: recording.source,
    channels: recording.channels,
    duration_seconds: recording.durationSeconds,
    price: recording.price,
    currency: recording.currency,
    created_at: recording.createdAt,
    updated_at: recording.updatedAt,
    delete_at: recording.deleteAt,
    deleted_at: recording.deletedAt,
    proven_at: recording.provenAt,
    proof_status: recording.proofStatus,
    ask_at: recording.state === 'completed' && recording.price === null ? askAt.toISOString() : null,
  }));
  const changing = Object.keys(recordingColumns).filter(
    (name) => !['recording_sid', 'tenant', 'created_at'].includes(name),
  );
  return (first) => ({
    sql: `insert into recordings as r (${rows.names}) select * from ${rows.as('n', first)}
     on conflict (tenant, recording_sid) do update set ${changing.map((name) => `${name} = excluded.${name}`).join(', ')}
     where r.sequence < excluded.sequence`,
    parameters: rows.parameters,
  });
}

/** The pause after a try to delete one: a minute, and each time twice as long, up to this many doublings: about eight hours. */
const pauseDoublings = 9;

const dueAt = 'coalesce(deletion_try_at, delete_at)';
const isDoomed = 'delete_at is not null and proven_at is null';

/**
 * Recordings whose time is over, each for one replica at a time, and not again before a pause that grows. The tenants take turns:
 * one whose recordings cannot be deleted does not keep those of the others.
 */
export async function takeDoomed(tx: Transaction, now: Date, limit: number): Promise<Recording[]> {
  const { rows } = await run<RecordingRow>(
    tx,
    `with recursive owners as (
       select min(tenant) as tenant from recordings where ${isDoomed}
       union all
       select (select min(tenant) from recordings where ${isDoomed} and tenant > o.tenant) from owners o
       where o.tenant is not null),
     fair as materialized (
       select o.tenant, r.recording_sid from owners o
       cross join lateral (
         select recording_sid, row_number() over (order by ${dueAt}, recording_sid) as turn from (
           select recording_sid, deletion_try_at, delete_at from recordings
           where tenant = o.tenant and ${isDoomed} and ${dueAt} <= $1 order by ${dueAt} limit $2) as first) r
       order by r.turn, o.tenant limit $2),
     due as materialized (
       select tenant, recording_sid from recordings r
       where (tenant, recording_sid) in (select tenant, recording_sid from fair) and ${isDoomed} and ${dueAt} <= $1
       order by tenant, recording_sid for update skip locked)
     update recordings r set deletion_asks = least(r.deletion_asks + 1, 1000),
       deletion_try_at = $1::timestamptz + interval '1 minute' * power(2, least(r.deletion_asks, ${pauseDoublings}))
     from due where r.tenant = due.tenant and r.recording_sid = due.recording_sid returning r.*`,
    [now, limit],
  );
  return rows.map(toRecording);
}

/** Takes recordings whose price is to be asked for, as `takeDoomed` does. */
export async function takeUnpriced(
  tx: Transaction,
  now: Date,
  until: Date,
  limit: number,
): Promise<{ recording: Recording; asks: number }[]> {
  const { rows } = await run<RecordingRow & { asks: number }>(
    tx,
    `update recordings r set ask_at = $2, asks = r.asks + 1
     from (select tenant, recording_sid from recordings where ask_at <= $1 and state = 'completed'
           order by ask_at limit $3 for update skip locked) due
     where r.tenant = due.tenant and r.recording_sid = due.recording_sid returning r.*`,
    [now, until, limit],
  );
  return rows.map((row) => ({ recording: toRecording(row), asks: row.asks }));
}

export async function askAgain(
  tx: Transaction,
  { tenant, recordingSid }: RecordingKey,
  askAt: string | null,
): Promise<void> {
  await run(tx, 'update recordings set ask_at = $3 where tenant = $1 and recording_sid = $2', [
    tenant,
    recordingSid,
    askAt,
  ]);
}

/** So many recordings of each tenant should have been deleted an hour ago and are not proven to be. */
export async function countOverdue(tx: Transaction, now: Date): Promise<Map<string, number>> {
  const { rows } = await run<{ tenant: string; count: number }>(
    tx,
    `select tenant, count(*)::int as count from recordings
     where ${isDoomed} and delete_at < $1::timestamptz - interval '1 hour' group by tenant`,
    [now],
  );
  return new Map(rows.map(({ tenant, count }) => [tenant, count]));
}

export interface Access {
  readonly recordingSid: string;
  readonly tenant: string;
  readonly by: string;
  readonly at: string;
  readonly range: string | null;
}

export async function noteAccess(tx: Transaction, access: Access): Promise<void> {
  await run(tx, 'insert into recording_accesses (recording_sid, tenant, by, at, range) values ($1, $2, $3, $4, $5)', [
    access.recordingSid,
    access.tenant,
    access.by,
    access.at,
    access.range,
  ]);
}

export function toRecording(row: RecordingRow): Recording {
  return {
    recordingSid: row.recording_sid,
    tenant: row.tenant,
    callId: row.call_id,
    callSid: row.call_sid,
    conferenceSid: row.conference_sid,
    state: row.state,
    sequence: row.sequence,
    source: row.source,
    channels: row.channels,
    durationSeconds: row.duration_seconds,
    price: row.price,
    currency: row.currency,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    deleteAt: row.delete_at?.toISOString() ?? null,
    deletedAt: row.deleted_at?.toISOString() ?? null,
    provenAt: row.proven_at?.toISOString() ?? null,
    proofStatus: row.proof_status,
    erased: row.erasure !== null,
  };
}
