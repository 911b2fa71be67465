import type { SendEmailCommand, EmailState, Failure } from '@signalbox/contracts';
import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import { toEvents } from './email.events.ts';
import type { Email, Step } from './email.ts';

/** The emails table. Rows are locked in id order, so two transactions never wait for each other crosswise. */

const outbox = new Outbox();

const emailColumns = {
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
export interface EmailRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly request: SendEmailCommand;
  readonly created_at: Date;
  readonly state: EmailState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly updated_at: Date;
}

/** A line of the history that is no move: what came from outside. */
export interface HistoryLine {
  readonly emailId: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly kind: 'callback';
  /** The CloudEvents id of what it tells; there is one line of it. */
  readonly eventId: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Email>> {
  const { rows } = await run<EmailRow>(tx, 'select * from emails where id = any($1) order by id for update', [ids]);
  return new Map(rows.map((row) => [row.id, toEmail(row)]));
}

/** Those that these tenants and idempotency keys made, by `naturalKey`. */
export async function findByKey(
  tx: Transaction,
  wanted: readonly Pick<Email, 'tenant' | 'idempotencyKey'>[],
): Promise<Map<string, Email>> {
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, ({ tenant, idempotencyKey }) => ({
    tenant,
    idempotency_key: idempotencyKey,
  }));
  const { rows } = await run<EmailRow>(
    tx,
    `select k.* from emails k
     join ${keys.as('n')} on k.tenant = n.tenant and k.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(rows.map(toEmail).map((email) => [naturalKey(email), email]));
}

export function naturalKey({ tenant, idempotencyKey }: Pick<Email, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

/** Inserts new ones with their history and events; returns the ids that were new, by tenant and idempotency key. */
export async function insert(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => (naturalKey(a.email) < naturalKey(b.email) ? -1 : 1));
  const rows = columns(sorted, emailColumns, ({ email }) => toRow(email));
  const { rows: inserted } = await run<{ id: string }>(
    tx,
    `insert into emails (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint emails_idempotency_key do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(inserted.map(({ id }) => id));
  await tell(
    tx,
    steps.filter(({ email }) => ids.has(email.id)),
  );
  return ids;
}

/** Saves locked ones with their history and events. */
export async function save(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const { id, state, sequence, provider_sid, error, updated_at } = emailColumns;
  const rows = columns(steps, { id, state, sequence, provider_sid, error, updated_at }, ({ email }) => toRow(email));
  await run(
    tx,
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    `update emails k
     set state = n.state, sequence = n.sequence, provider_sid = n.provider_sid, error = n.error, updated_at = n.updated_at
     from ${rows.as('n')} where k.id = n.id and k.sequence <= n.sequence`,
    rows.parameters,
  );
  await tell(tx, steps);
}

/** Which of these events the history knows already: they are repeats. Callers hold the locks. */
export async function knownEvents(
  tx: Transaction,
  events: readonly Pick<HistoryLine, 'emailId' | 'eventId'>[],
): Promise<Set<string>> {
  const wanted = columns(events, { email_id: 'uuid', event_id: 'text' }, ({ emailId, eventId }) => ({
    email_id: emailId,
    event_id: eventId,
  }));
  const { rows } = await run<{ email_id: string; event_id: string }>(
    tx,
    `select h.email_id, h.event_id from email_history h
     join ${wanted.as('n')} on h.email_id = n.email_id and h.event_id = n.event_id`,
    wanted.parameters,
  );
  return new Set(rows.map((row) => eventKey(row.email_id, row.event_id)));
}

export function eventKey(emailId: string, eventId: string): string {
  return `${emailId} ${eventId}`;
}

export async function writeHistory(tx: Transaction, lines: readonly HistoryLine[]): Promise<void> {
  await appendHistory(
    tx,
    lines.map(({ emailId, at, kind, eventId, detail }) => ({ email_id: emailId, at, kind, event_id: eventId, detail })),
  );
}

/** A line of the history and an event for each move. */
async function tell(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const moves = steps.flatMap(({ email, changes }) => changes.map((change) => ({ id: email.id, change })));
  await appendHistory(
    tx,
    moves.map(({ id, change: { sequence, from, to, at, error } }) => ({
      email_id: id,
      at,
      kind: 'state',
      event_id: null,
      detail: { sequence, from, to, error },
    })),
  );
  await outbox.append(tx, steps.flatMap(toEvents));
}

interface HistoryRow {
  readonly email_id: string;
  readonly at: string;
  readonly kind: string;
  readonly event_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

async function appendHistory(tx: Transaction, lines: readonly HistoryRow[]): Promise<void> {
  if (lines.length === 0) return;
  const rows = columns(lines, { email_id: 'uuid', at: 'timestamptz', kind: 'text', event_id: 'text', detail: 'jsonb' });
  await run(tx, `insert into email_history (${rows.names}) select * from ${rows.as('n')}`, rows.parameters);
}

export function toEmail(row: EmailRow): Email {
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

function toRow(email: Email) {
  return {
    id: email.id,
    tenant: email.tenant,
    idempotency_key: email.idempotencyKey,
    request_digest: email.requestDigest,
    request: email.request,
    created_at: email.createdAt,
    state: email.state,
    sequence: email.sequence,
    provider_sid: email.providerSid,
    error: email.error,
    updated_at: email.updatedAt,
  };
}
