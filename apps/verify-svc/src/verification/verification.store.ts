import type { Failure, VerificationState } from '@signalbox/contracts';
import {
  columns,
  type ColumnTypes,
  Outbox,
  run,
  runPrepared,
  type Transaction,
  type Write,
} from '@signalbox/persistence';
import { toEvents } from './verification.events.ts';
import type { PlannedChannel, Step, ToTell, Verification, VerificationRequest, Why } from './verification.ts';

/** The verifications table. Rows are locked in id order, so two transactions never wait for each other crosswise. */

const outbox = new Outbox();

const fixedColumns = {
  id: 'uuid',
  tenant: 'text',
  idempotency_key: 'text',
  request_digest: 'text',
  recipient: 'text',
  recipient_hash: 'text',
  request: 'jsonb',
  max_checks: 'integer',
  created_at: 'timestamptz',
} as const satisfies ColumnTypes;

const changingColumns = {
  service_sid: 'text',
  plan: 'jsonb',
  position: 'integer',
  state: 'text',
  sequence: 'integer',
  provider_sid: 'text',
  error: 'jsonb',
  refused: 'text',
  codes: 'jsonb',
  checks: 'integer',
  wrong: 'integer',
  sends: 'integer',
  attempts: 'integer',
  wants: 'text',
  last_sent_at: 'timestamptz',
  expires_at: 'timestamptz',
  due_at: 'timestamptz',
  to_tell: 'text',
  updated_at: 'timestamptz',
} as const satisfies ColumnTypes;

/** A row as the driver returns it. */
export interface VerificationRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly recipient: string | null;
  readonly recipient_hash: string;
  readonly request: VerificationRequest;
  readonly max_checks: number;
  readonly created_at: Date;
  readonly service_sid: string | null;
  readonly plan: readonly PlannedChannel[];
  readonly position: number;
  readonly state: VerificationState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly refused: string | null;
  readonly codes: readonly string[];
  readonly checks: number;
  readonly wrong: number;
  readonly sends: number;
  readonly attempts: number;
  readonly wants: Why | null;
  readonly last_sent_at: Date | null;
  readonly expires_at: Date | null;
  readonly due_at: Date | null;
  readonly to_tell: ToTell | null;
  readonly updated_at: Date;
}

/** To select, of a table or its alias. */
export const verificationNames = (alias: string): string =>
  Object.keys({ ...fixedColumns, ...changingColumns })
    .map((name) => `${alias}.${name}`)
    .join(', ');

/** A line of the history that is no move. */
export interface HistoryLine {
  readonly verificationId: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly kind: 'callback' | 'check' | 'guard' | 'limited' | 'superseded';
  /** The CloudEvents id of what it tells, for what comes from outside; there is one line of it. */
  readonly eventId?: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Verification>> {
  const { rows } = await runPrepared<VerificationRow>(
    tx,
    `select ${verificationNames('v')} from verifications v where v.id = any($1) order by v.id for update`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toVerification(row)]));
}

/** As `lock`, but leaves out what another transaction has locked. */
export async function lockFree(tx: Transaction, ids: readonly string[]): Promise<Map<string, Verification>> {
  const { rows } = await run<VerificationRow>(
    tx,
    `select ${verificationNames('v')} from verifications v where v.id = any($1) order by v.id for update skip locked`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toVerification(row)]));
}

export async function find(tx: Transaction, ids: readonly string[]): Promise<Verification[]> {
  const { rows } = await run<VerificationRow>(
    tx,
    `select ${verificationNames('v')} from verifications v where v.id = any($1) order by v.id`,
    [ids],
  );
  return rows.map(toVerification);
}

/**
 * Locks these, and what new ones may collide with: those their keys have made, and those of the same recipients in which a code
 * may be valid or that are over for too many wrong ones. Callers hold the windows of the recipients.
 */
export async function lockRelated(
  tx: Transaction,
  wanted: readonly Pick<Verification, 'tenant' | 'idempotencyKey' | 'recipientHash'>[],
  ids: readonly string[],
): Promise<Verification[]> {
  const rows = columns(
    wanted,
    { tenant: 'text', idempotency_key: 'text', recipient_hash: 'text' },
    ({ tenant, idempotencyKey, recipientHash }) => ({
      tenant,
      idempotency_key: idempotencyKey,
      recipient_hash: recipientHash,
    }),
  );
  const { rows: found } = await runPrepared<VerificationRow>(
    tx,
    `with n as (select * from ${rows.as('n')})
     select ${verificationNames('v')} from verifications v
     where v.id in (
       select k.id from n join verifications k on k.tenant = n.tenant and k.idempotency_key = n.idempotency_key
       union
       select r.id from n join verifications r on r.recipient_hash = n.recipient_hash
       where r.state in ('accepted', 'pending', 'denied') and (r.expires_at is null or r.expires_at > now())
       union
       select unnest($4::uuid[]))
     order by v.id for update`,
    [...rows.parameters, ids],
  );
  return found.map(toVerification);
}

/** Those that these tenants and idempotency keys made. */
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
    `select ${verificationNames('v')} from verifications v
     join ${keys.as('n')} on v.tenant = n.tenant and v.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(rows.map(toVerification).map((verification) => [naturalKey(verification), verification]));
}

export function naturalKey({ tenant, idempotencyKey }: Pick<Verification, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

const constraint = 'verifications_idempotency_key';

/** Whether an insert failed because another transaction made a verification under the same key meanwhile. */
export function isKeyTaken(error: unknown): boolean {
  const { constraint: violated, driverError } = error as { constraint?: string; driverError?: { constraint?: string } };
  return violated === constraint || driverError?.constraint === constraint;
}

/** Inserts new ones; those whose key is taken are left out, and which those are is answered. */
export async function insertUnknown(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => (naturalKey(a.verification) < naturalKey(b.verification) ? -1 : 1));
  const { names, values, parameters } = inserted(sorted);
  const { rows } = await run<{ id: string }>(
    tx,
    `insert into verifications (${names}) select ${values} from ${parameters.as('n')}
     on conflict on constraint ${constraint} do nothing returning id`,
    parameters.parameters,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Inserts new ones; fails when a key is taken. `historyWritten` and `eventsWritten` tell of them. */
export function verificationsInserted(steps: readonly Step[]): Write {
  if (steps.length === 0) return undefined;
  const { names, values, parameters } = inserted(steps);
  return (first) => ({
    sql: `insert into verifications (${names}) select ${values} from ${parameters.as('n', first)}`,
    parameters: parameters.parameters,
  });
}

function inserted(steps: readonly Step[]) {
  const types = { ...fixedColumns, ...changingColumns };
  const parameters = columns(steps, types, ({ verification }) => toRow(verification));
  const values = Object.keys(types).map((name) => (name === 'codes' ? textArray('n.codes') : `n.${name}`));
  return { names: parameters.names, values: values.join(', '), parameters };
}

const textArray = (json: string) => `array(select jsonb_array_elements_text(${json}))`;

/** Saves locked ones. `historyWritten` and `eventsWritten` tell of them. */
export function verificationsSaved(steps: readonly Step[]): Write {
  if (steps.length === 0) return undefined;
  const types = { id: fixedColumns.id, ...changingColumns };
  const rows = columns(steps, types, ({ verification }) => toRow(verification));
  const sets = Object.keys(changingColumns).map((name) =>
    name === 'codes' ? `codes = ${textArray('n.codes')}` : `${name} = n.${name}`,
  );
  return (first) => ({
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    sql: `update verifications v set ${sets.join(', ')}
     from ${rows.as('n', first)} where v.id = n.id and v.sequence <= n.sequence`,
    parameters: rows.parameters,
  });
}

/** A line of the history for each move and each remark. */
export function historyWritten(steps: readonly Step[], lines: readonly HistoryLine[] = []): Write {
  const moves = steps.flatMap(({ verification: { id }, changes }) =>
    changes.map(({ sequence, from, to, at, error }) => ({
      verification_id: id,
      at,
      kind: 'state',
      event_id: null,
      detail: { sequence, from, to, error },
    })),
  );
  const remarks = lines.map(({ verificationId, at, kind, eventId, detail }) => ({
    verification_id: verificationId,
    at,
    kind,
    event_id: eventId ?? null,
    detail,
  }));
  const all = [...remarks, ...moves];
  if (all.length === 0) return undefined;
  const types = {
    verification_id: 'uuid',
    at: 'timestamptz',
    kind: 'text',
    event_id: 'text',
    detail: 'jsonb',
  } as const;
  const rows = columns(all, types);
  return (first) => ({
    sql: `insert into verification_history (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}

/** An event for each move. */
export function eventsWritten(steps: readonly Step[]): Write {
  return outbox.write(steps.flatMap(toEvents));
}

/** Which of these events the history knows already: they are repeats. Callers hold the locks. */
export async function knownEvents(
  tx: Transaction,
  events: readonly { verificationId: string; eventId: string }[],
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

export function toVerification(row: VerificationRow): Verification {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    requestDigest: row.request_digest,
    recipient: row.recipient,
    recipientHash: row.recipient_hash,
    request: row.request,
    serviceSid: row.service_sid,
    plan: row.plan,
    position: row.position,
    createdAt: row.created_at.toISOString(),
    state: row.state,
    sequence: row.sequence,
    providerSid: row.provider_sid,
    error: row.error,
    refused: row.refused,
    codes: row.codes,
    checks: row.checks,
    wrong: row.wrong,
    maxChecks: row.max_checks,
    sends: row.sends,
    attempts: row.attempts,
    wants: row.wants,
    lastSentAt: row.last_sent_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    dueAt: row.due_at?.toISOString() ?? null,
    toTell: row.to_tell,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(verification: Verification) {
  return {
    id: verification.id,
    tenant: verification.tenant,
    idempotency_key: verification.idempotencyKey,
    request_digest: verification.requestDigest,
    recipient: verification.recipient,
    recipient_hash: verification.recipientHash,
    request: verification.request,
    service_sid: verification.serviceSid,
    plan: verification.plan,
    position: verification.position,
    created_at: verification.createdAt,
    state: verification.state,
    sequence: verification.sequence,
    provider_sid: verification.providerSid,
    error: verification.error,
    refused: verification.refused,
    codes: verification.codes,
    checks: verification.checks,
    wrong: verification.wrong,
    max_checks: verification.maxChecks,
    sends: verification.sends,
    attempts: verification.attempts,
    wants: verification.wants,
    last_sent_at: verification.lastSentAt,
    expires_at: verification.expiresAt,
    due_at: verification.dueAt,
    to_tell: verification.toTell,
    updated_at: verification.updatedAt,
  };
}
