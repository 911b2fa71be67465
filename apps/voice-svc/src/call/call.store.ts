import type { CallState, Failure, PlaceCallCommand } from '@signalbox/contracts';
import { type ItemTable, laneNumber, laneOf } from '@signalbox/outbound';
import { columns, Outbox, run, runPrepared, type Transaction, type Write, writeAll } from '@signalbox/persistence';
import { toEvents } from './call.events.ts';
import { type Call, naturalKey, type Remark, type Step } from './call.ts';

/** The calls table. Rows are locked in id order, so two transactions never wait for each other crosswise. */

const outbox = new Outbox();

const fixedColumns = {
  id: 'uuid',
  tenant: 'text',
  idempotency_key: 'text',
  request_digest: 'text',
  request: 'jsonb',
  recipient: 'text',
  sender: 'text',
  lane: 'smallint',
  traceparent: 'text',
  created_at: 'timestamptz',
} as const;

/** What `save` writes. */
const changingColumns = {
  state: 'text',
  sequence: 'integer',
  round: 'smallint',
  provider_sid: 'text',
  earlier_sids: 'jsonb',
  error: 'jsonb',
  attempt: 'integer',
  due_at: 'timestamptz',
  queue: 'text',
  check_at: 'timestamptz',
  cancel_requested: 'boolean',
  answered_by: 'text',
  duration_seconds: 'integer',
  updated_at: 'timestamptz',
} as const;

const callColumns = { ...fixedColumns, ...changingColumns };
const names = Object.keys(callColumns);
const assignments = Object.keys(changingColumns)
  .map((name) => `${name} = n.${name}`)
  .join(', ');

/** A row as the driver returns it. */
export interface CallRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly request: PlaceCallCommand;
  readonly recipient: string;
  readonly sender: string | null;
  readonly lane: number;
  readonly traceparent: string;
  readonly created_at: Date;
  readonly state: CallState;
  readonly sequence: number;
  readonly round: number;
  readonly provider_sid: string | null;
  readonly earlier_sids: readonly string[];
  readonly error: Failure | null;
  readonly attempt: number;
  readonly due_at: Date | null;
  readonly queue: string;
  readonly check_at: Date | null;
  readonly cancel_requested: boolean;
  readonly answered_by: string | null;
  readonly duration_seconds: number | null;
  readonly updated_at: Date;
}

export const callTable: ItemTable<CallRow, Call> = { name: 'calls', columns: names, toItem: toCall };

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Call>> {
  const { rows } = await runPrepared<CallRow>(
    tx,
    `select ${names.join(', ')} from calls where id = any($1) order by id for update`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toCall(row)]));
}

/** A call of the provider as a tenant names it. */
export interface ProviderCall {
  readonly tenant: string;
  readonly callSid: string;
}

export const providerKey = ({ tenant, callSid }: ProviderCall): string => `${tenant} ${callSid}`;

/**
 * Our ids by tenant and the provider's id, by `providerKey`, for callbacks that do not carry ours. Locks nothing: all of a batch
 * are locked together, in one order.
 */
export async function idsOfProviderSids(tx: Transaction, named: readonly ProviderCall[]): Promise<Map<string, string>> {
  if (named.length === 0) return new Map();
  const wanted = columns(named, { tenant: 'text', provider_sid: 'text' }, ({ tenant, callSid }) => ({
    tenant,
    provider_sid: callSid,
  }));
  const { rows } = await run<{ tenant: string; provider_sid: string; id: string }>(
    tx,
    `select a.tenant, a.provider_sid, a.call_id as id from attempts a join ${wanted.as('n')} using (tenant, provider_sid)`,
    wanted.parameters,
  );
  return new Map(rows.map((row) => [providerKey({ tenant: row.tenant, callSid: row.provider_sid }), row.id]));
}

/** Locks calls the provider has been silent about for too long, or that somebody wants to end. */
export async function lockUnheard(tx: Transaction, now: Date, limit: number): Promise<Call[]> {
  const { rows } = await run<CallRow>(
    tx,
    `select ${names.join(', ')} from calls where check_at <= $1 order by check_at limit $2 for update skip locked`,
    [now, limit],
  );
  return rows.map(toCall);
}

/** Those that these tenants and idempotency keys made, by `naturalKey`. */
export async function findByKey(
  tx: Transaction,
  wanted: readonly Pick<Call, 'tenant' | 'idempotencyKey'>[],
): Promise<Map<string, Pick<Call, 'id' | 'state' | 'requestDigest'>>> {
  if (wanted.length === 0) return new Map();
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, ({ tenant, idempotencyKey }) => ({
    tenant,
    idempotency_key: idempotencyKey,
  }));
  const { rows } = await run<Pick<CallRow, 'id' | 'tenant' | 'idempotency_key' | 'state' | 'request_digest'>>(
    tx,
    `select k.id, k.tenant, k.idempotency_key, k.state, k.request_digest from calls k
     join ${keys.as('n')} on k.tenant = n.tenant and k.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(
    rows.map(({ id, tenant, idempotency_key: idempotencyKey, state, request_digest: requestDigest }) => [
      naturalKey({ tenant, idempotencyKey }),
      { id, state, requestDigest },
    ]),
  );
}

/** Inserts new ones with their history and events; returns the ids that were new, by tenant and idempotency key. */
export async function insert(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  if (steps.length === 0) return new Set();
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => (naturalKey(a.call) < naturalKey(b.call) ? -1 : 1));
  const rows = columns(sorted, callColumns, ({ call }) => toRow(call));
  const { rows: inserted } = await run<{ id: string }>(
    tx,
    `insert into calls (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint calls_idempotency_key do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(inserted.map(({ id }) => id));
  const added = steps.filter(({ call }) => ids.has(call.id));
  await writeAll(tx, [historyWrite(added), outbox.write(added.flatMap(toEvents))]);
  return ids;
}

/** Saves locked ones with their history and events, and what else is to be written along with them. */
export async function save(tx: Transaction, steps: readonly Step[], along: readonly Write[] = []): Promise<void> {
  const changed = steps.filter(({ before, call }) => call !== before);
  await writeAll(tx, [callWrite(changed), historyWrite(steps), outbox.write(changed.flatMap(toEvents)), ...along]);
}

function callWrite(changed: readonly Step[]): Write {
  if (changed.length === 0) return undefined;
  const rows = columns(changed, { id: fixedColumns.id, ...changingColumns }, ({ call }) => toRow(call));
  return (first) => ({
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    sql: `update calls k set ${assignments} from ${rows.as('n', first)} where k.id = n.id and k.sequence <= n.sequence`,
    parameters: rows.parameters,
  });
}

/** Which of these events the history knows already: they are repeats. Callers hold the locks. */
export async function knownEvents(
  tx: Transaction,
  events: readonly { readonly callId: string; readonly eventId: string }[],
): Promise<Set<string>> {
  if (events.length === 0) return new Set();
  const wanted = columns(events, { call_id: 'uuid', event_id: 'text' }, ({ callId, eventId }) => ({
    call_id: callId,
    event_id: eventId,
  }));
  const { rows } = await run<{ call_id: string; event_id: string }>(
    tx,
    `select h.call_id, h.event_id from call_history h
     join ${wanted.as('n')} on h.call_id = n.call_id and h.event_id = n.event_id`,
    wanted.parameters,
  );
  return new Set(rows.map((row) => eventKey(row.call_id, row.event_id)));
}

export function eventKey(callId: string, eventId: string): string {
  return `${callId} ${eventId}`;
}

/** Writes a line once, and tells when that was. */
export async function tellOnce(
  tx: Transaction,
  callId: string,
  line: Omit<Remark, 'eventId'> & { readonly eventId: string },
): Promise<Date> {
  const { rows } = await run<{ at: Date }>(
    tx,
    `insert into call_history (call_id, at, kind, event_id, detail) values ($1, $2, $3, $4, $5)
     on conflict (call_id, event_id) do update set event_id = excluded.event_id returning at`,
    [callId, line.at, line.kind, line.eventId, line.detail],
  );
  return rows[0]?.at ?? new Date(line.at);
}

/** A line of the history for each move and remark. */
function historyWrite(steps: readonly Step[]): Write {
  const told = steps.flatMap(({ call, changes, remarks }) => [
    ...changes.map(({ at, ...detail }) => ({ call_id: call.id, at, kind: 'state', event_id: null, detail })),
    ...remarks.map(({ at, kind, eventId, detail }) => ({ call_id: call.id, at, kind, event_id: eventId, detail })),
  ]);
  if (told.length === 0) return undefined;
  const lines = columns(told, { call_id: 'uuid', at: 'timestamptz', kind: 'text', event_id: 'text', detail: 'jsonb' });
  return (first) => ({
    sql: `insert into call_history (${lines.names}) select * from ${lines.as('n', first)}`,
    parameters: lines.parameters,
  });
}

export function toCall(row: CallRow): Call {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    requestDigest: row.request_digest,
    request: row.request,
    to: row.recipient,
    from: row.sender,
    lane: laneOf(row.lane),
    traceparent: row.traceparent,
    createdAt: row.created_at.toISOString(),
    state: row.state,
    sequence: row.sequence,
    round: row.round,
    providerSid: row.provider_sid,
    earlierSids: row.earlier_sids,
    error: row.error,
    attempt: row.attempt,
    dueAt: row.due_at?.toISOString() ?? null,
    queue: row.queue,
    checkAt: row.check_at?.toISOString() ?? null,
    cancelRequested: row.cancel_requested,
    answeredBy: row.answered_by,
    durationSeconds: row.duration_seconds,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(call: Call) {
  return {
    id: call.id,
    tenant: call.tenant,
    idempotency_key: call.idempotencyKey,
    request_digest: call.requestDigest,
    request: call.request,
    recipient: call.to,
    sender: call.from,
    lane: laneNumber(call.lane),
    traceparent: call.traceparent,
    created_at: call.createdAt,
    state: call.state,
    sequence: call.sequence,
    round: call.round,
    provider_sid: call.providerSid,
    earlier_sids: call.earlierSids,
    error: call.error,
    attempt: call.attempt,
    due_at: call.dueAt,
    queue: call.queue,
    check_at: call.checkAt,
    cancel_requested: call.cancelRequested,
    answered_by: call.answeredBy,
    duration_seconds: call.durationSeconds,
    updated_at: call.updatedAt,
  };
}
