import type { StartVerificationCommand, VerificationState, Failure } from '@signalbox/contracts';
import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import { toEvents } from './verification.events.ts';
import type { Verification, Step } from './verification.ts';

/** The verifications table. Rows are locked in id order, so two transactions never wait for each other crosswise. */

const outbox = new Outbox();

const verificationColumns = {
  id: 'uuid',
  tenant: 'text',
  idempotency_key: 'text',
  request_digest: 'text',
  request: 'jsonb',
  created_at: 'timestamptz',
  state: 'text',
  sequence: 'integer',
  provider_sid: 'text',
  error: 'jsonb',
  updated_at: 'timestamptz',
} as const;

/** A row as the driver returns it. */
export interface VerificationRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly request: StartVerificationCommand;
  readonly created_at: Date;
  readonly state: VerificationState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly updated_at: Date;
}

/** A line of the history that is no move: what came from outside. */
export interface HistoryLine {
  readonly verificationId: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly kind: 'callback';
  /** The CloudEvents id of what it tells; there is one line of it. */
  readonly eventId: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Verification>> {
  const { rows } = await run<VerificationRow>(
    tx,
    'select * from verifications where id = any($1) order by id for update',
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toVerification(row)]));
}

/** Those that these tenants and idempotency keys made, by `naturalKey`. */
export async function findByKey(
  tx: Transaction,
  wanted: readonly Pick<Verification, 'tenant' | 'idempotencyKey'>[],
): Promise<Map<string, Verification>> {
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, ({ tenant, idempotencyKey }) => ({
    tenant,
    idempotency_key: idempotencyKey,
  }));
  const { rows } = await run<VerificationRow>(
    tx,
    `select k.* from verifications k
     join ${keys.as('n')} on k.tenant = n.tenant and k.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(rows.map(toVerification).map((verification) => [naturalKey(verification), verification]));
}

export function naturalKey({ tenant, idempotencyKey }: Pick<Verification, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

/** Inserts new ones with their history and events; returns the ids that were new, by tenant and idempotency key. */
export async function insert(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => (naturalKey(a.verification) < naturalKey(b.verification) ? -1 : 1));
  const rows = columns(sorted, verificationColumns, ({ verification }) => toRow(verification));
  const { rows: inserted } = await run<{ id: string }>(
    tx,
    `insert into verifications (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint verifications_idempotency_key do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(inserted.map(({ id }) => id));
  await tell(
    tx,
    steps.filter(({ verification }) => ids.has(verification.id)),
  );
  return ids;
}

/** Saves locked ones with their history and events. */
export async function save(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const { id, state, sequence, provider_sid, error, updated_at } = verificationColumns;
  const rows = columns(steps, { id, state, sequence, provider_sid, error, updated_at }, ({ verification }) =>
    toRow(verification),
  );
  await run(
    tx,
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    `update verifications k
     set state = n.state, sequence = n.sequence, provider_sid = n.provider_sid, error = n.error, updated_at = n.updated_at
     from ${rows.as('n')} where k.id = n.id and k.sequence <= n.sequence`,
    rows.parameters,
  );
  await tell(tx, steps);
}

/** Which of these events the history knows already: they are repeats. Callers hold the locks. */
export async function knownEvents(
  tx: Transaction,
  events: readonly Pick<HistoryLine, 'verificationId' | 'eventId'>[],
): Promise<Set<string>> {
  const wanted = columns(events, { verification_id: 'uuid', event_id: 'text' }, ({ verificationId, eventId }) => ({
    verification_id: verificationId,
    event_id: eventId,
  }));
  const { rows } = await run<{ verification_id: string; event_id: string }>(
    tx,
    `select h.verification_id, h.event_id from verification_history h
     join ${wanted.as('n')} on h.verification_id = n.verification_id and h.event_id = n.event_id`,
    wanted.parameters,
  );
  return new Set(rows.map((row) => eventKey(row.verification_id, row.event_id)));
}

export function eventKey(verificationId: string, eventId: string): string {
  return `${verificationId} ${eventId}`;
}

export async function writeHistory(tx: Transaction, lines: readonly HistoryLine[]): Promise<void> {
  await appendHistory(
    tx,
    lines.map(({ verificationId, at, kind, eventId, detail }) => ({
      verification_id: verificationId,
      at,
      kind,
      event_id: eventId,
      detail,
    })),
  );
}

/** A line of the history and an event for each move. */
async function tell(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const moves = steps.flatMap(({ verification, changes }) =>
    changes.map((change) => ({ id: verification.id, change })),
  );
  await appendHistory(
    tx,
    moves.map(({ id, change: { sequence, from, to, at, error } }) => ({
      verification_id: id,
      at,
      kind: 'state',
      event_id: null,
      detail: { sequence, from, to, error },
    })),
  );
  await outbox.append(tx, steps.flatMap(toEvents));
}

interface HistoryRow {
  readonly verification_id: string;
  readonly at: string;
  readonly kind: string;
  readonly event_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

async function appendHistory(tx: Transaction, lines: readonly HistoryRow[]): Promise<void> {
  if (lines.length === 0) return;
  const rows = columns(lines, {
    verification_id: 'uuid',
    at: 'timestamptz',
    kind: 'text',
    event_id: 'text',
    detail: 'jsonb',
  });
  await run(tx, `insert into verification_history (${rows.names}) select * from ${rows.as('n')}`, rows.parameters);
}

export function toVerification(row: VerificationRow): Verification {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    requestDigest: row.request_digest,
    request: row.request,
    createdAt: row.created_at.toISOString(),
    state: row.state,
    sequence: row.sequence,
    providerSid: row.provider_sid,
    error: row.error,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(verification: Verification) {
  return {
    id: verification.id,
    tenant: verification.tenant,
    idempotency_key: verification.idempotencyKey,
    request_digest: verification.requestDigest,
    request: verification.request,
    created_at: verification.createdAt,
    state: verification.state,
    sequence: verification.sequence,
    provider_sid: verification.providerSid,
    error: verification.error,
    updated_at: verification.updatedAt,
  };
}
