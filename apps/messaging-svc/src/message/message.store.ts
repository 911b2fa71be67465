import type { Consent, Failure, MessageChannel, MessageState, Metadata, SendRequest } from '@signalbox/contracts';
import { type Estimate, noEstimate } from '../content/content.rules.ts';
import { type ItemTable, laneNumber, laneOf } from '@signalbox/outbound';
import { columns, Outbox, run, runPrepared, type Transaction, type Write, writeAll } from '@signalbox/persistence';
import { countsWrite } from './count.store.ts';
import { toEvents } from './message.events.ts';
import { type Message, type MessageContent, type MessageHead, naturalKey, type Step } from './message.ts';

/**
 * The messages table. Every function that locks several rows takes them in id order, so two transactions never wait
 * for each other crosswise; `lockDue` and `lockUnheard` skip rows that another replica holds.
 */

const outbox = new Outbox();

const fixedColumns = {
  id: 'uuid',
  tenant: 'text',
  idempotency_key: 'text',
  request_digest: 'text',
  channel: 'text',
  recipient: 'text',
  sender: 'text',
  messaging_service_sid: 'text',
  content: 'jsonb',
  lane: 'smallint',
  fallback: 'jsonb',
  metadata: 'jsonb',
  send_at: 'timestamptz',
  expires_at: 'timestamptz',
  time_zone: 'text',
  consent: 'jsonb',
  estimate: 'jsonb',
  traceparent: 'text',
  created_at: 'timestamptz',
} as const;

/** What `save` writes. */
const changingColumns = {
  state: 'text',
  sequence: 'integer',
  provider_sid: 'text',
  error: 'jsonb',
  attempt: 'integer',
  due_at: 'timestamptz',
  queue: 'text',
  check_at: 'timestamptz',
  fallback_taken: 'smallint',
  fallback_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const;

const messageColumns = { ...fixedColumns, ...changingColumns };

const assignments = Object.keys(changingColumns)
  .map((name) => `${name} = n.${name}`)
  .join(', ');

/** The columns of a `MessageRow`, for statements that are prepared. */
export function messageNames(table: string): string {
  return Object.keys(messageColumns)
    .map((name) => `${table}.${name}`)
    .join(', ');
}

/** A row as the driver returns it. */
export interface MessageRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly channel: MessageChannel;
  readonly recipient: string;
  readonly sender: string | null;
  readonly messaging_service_sid: string | null;
  readonly content: MessageContent;
  readonly lane: number;
  readonly fallback: SendRequest['fallback'];
  readonly metadata: Metadata;
  readonly send_at: Date | null;
  readonly expires_at: Date | null;
  readonly time_zone: string | null;
  readonly consent: Consent | null;
  readonly estimate: Estimate | null;
  readonly traceparent: string;
  readonly created_at: Date;
  readonly state: MessageState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly attempt: number;
  readonly due_at: Date | null;
  readonly queue: string;
  readonly check_at: Date | null;
  readonly fallback_taken: number;
  readonly fallback_at: Date | null;
  readonly updated_at: Date;
}

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Message>> {
  const { rows } = await runPrepared<MessageRow>(
    tx,
    `select ${messageNames('m')} from messages m where id = any($1) order by id for update`,
    [ids],
  );
  return byId(rows);
}

const headNames = [
  ...(['id', 'tenant', 'idempotency_key', 'channel', 'recipient', 'sender', 'messaging_service_sid'] as const),
  ...(['fallback', 'metadata', 'traceparent', 'created_at'] as const),
  ...(Object.keys(changingColumns) as (keyof typeof changingColumns)[]),
];

type HeadRow = Pick<MessageRow, (typeof headNames)[number]>;

/** As `lock`, for what reports on messages need to know of them. */
export async function lockHeads(tx: Transaction, ids: readonly string[]): Promise<Map<string, MessageHead>> {
  const { rows } = await runPrepared<HeadRow>(
    tx,
    `select ${headNames.map((name) => `m.${name}`).join(', ')} from messages m where id = any($1) order by id for update`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toHead(row)]));
}

/** A message of the provider as a tenant names it. */
export interface ProviderMessage {
  readonly tenant: string;
  readonly providerSid: string;
}

export const providerKey = ({ tenant, providerSid }: ProviderMessage): string => `${tenant} ${providerSid}`;

/**
 * Our ids by tenant and the provider's id, by `providerKey`, for callbacks that do not carry ours. Locks nothing: all of a batch
 * are locked together, in one order.
 */
export async function idsOfProviderSids(
  tx: Transaction,
  named: readonly ProviderMessage[],
): Promise<Map<string, string>> {
  if (named.length === 0) return new Map();
  const wanted = columns(named, { tenant: 'text', provider_sid: 'text' }, ({ tenant, providerSid }) => ({
    tenant,
    provider_sid: providerSid,
  }));
  const { rows } = await run<{ tenant: string; provider_sid: string; id: string }>(
    tx,
    `select m.tenant, m.provider_sid, m.id from messages m
     join ${wanted.as('n')} on m.provider_sid = n.provider_sid and m.tenant = n.tenant`,
    wanted.parameters,
  );
  return new Map(rows.map((row) => [providerKey({ tenant: row.tenant, providerSid: row.provider_sid }), row.id]));
}

/** Locks bulk messages in line to numbers that begin like this, which are due before then, or at that very time. */
export async function lockBulkInLine(
  tx: Transaction,
  { tenant, prefix, due }: { tenant: string; prefix: string; due: { before: Date } | { at: Date } },
  limit: number,
): Promise<Message[]> {
  const { rows } = await run<MessageRow>(
    tx,
    `select * from messages
     where lane = $1 and tenant = $2 and due_at ${'before' in due ? '<' : '='} $3
       and (starts_with(recipient, $4) or starts_with(recipient, 'whatsapp:' || $4))
     limit $5 for update skip locked`,
    [laneNumber('bulk'), tenant, 'before' in due ? due.before : due.at, prefix, limit],
  );
  return rows.map(toMessage);
}

/** Reminders that are looked at together. */
const remindersAtOnce = 1_000;

/**
 * Locks messages the provider has been silent about for too long, and drops the reminders that are out of date: those of
 * messages that have ended, or are to be looked at later. `more`: there may be others that are due.
 */
export async function lockUnheard(
  tx: Transaction,
  now: Date,
  limit: number,
): Promise<{ messages: Message[]; more: boolean }> {
  const { rows } = await run<{ reminder: string; id: string | null }>(
    tx,
    `select c.ctid as reminder, m.id from (
       select ctid, message_id from message_checks where check_at <= $1
       order by check_at limit ${remindersAtOnce} for update skip locked) c
     left join messages m on m.id = c.message_id and m.check_at <= $1`,
    [now],
  );
  const ids = new Set(rows.flatMap(({ id }) => id ?? []).slice(0, limit));
  const taken = rows.filter(({ id }) => id === null || ids.has(id));
  await run(tx, 'delete from message_checks where ctid = any($1::tid[])', [taken.map(({ reminder }) => reminder)]);
  const locked = [...(await lock(tx, [...ids])).values()];
  // One that was heard of since it was looked for, or that has two reminders and was looked at by another replica, is fine.
  const messages = locked.filter(({ checkAt }) => checkAt !== null && checkAt <= now.toISOString());
  return { messages, more: rows.length === remindersAtOnce };
}

/** The messages that these tenants and idempotency keys made, by `naturalKey`. */
export async function findByKey(
  tx: Transaction,
  wanted: readonly Pick<Message, 'tenant' | 'idempotencyKey'>[],
): Promise<Map<string, Pick<Message, 'id' | 'state' | 'requestDigest'>>> {
  if (wanted.length === 0) return new Map();
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, ({ tenant, idempotencyKey }) => ({
    tenant,
    idempotency_key: idempotencyKey,
  }));
  const { rows } = await run<Pick<MessageRow, 'id' | 'tenant' | 'idempotency_key' | 'state' | 'request_digest'>>(
    tx,
    `select m.id, m.tenant, m.idempotency_key, m.state, m.request_digest
     from messages m join ${keys.as('n')} on m.tenant = n.tenant and m.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(
    rows.map(({ id, tenant, idempotency_key: idempotencyKey, state, request_digest: requestDigest }) => [
      naturalKey({ tenant, idempotencyKey }),
      { id, state, requestDigest },
    ]),
  );
}

/** Inserts new messages with their history and events; returns the ids that were new, by tenant and idempotency key. */
export async function insert(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  if (steps.length === 0) return new Set();
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => compare(naturalKey(a.message), naturalKey(b.message)));
  const rows = columns(sorted, messageColumns, ({ message }) => toRow(message));
  const { rows: inserted } = await run<{ id: string }>(
    tx,
    `insert into messages (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint messages_idempotency_key do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(inserted.map(({ id }) => id));
  const added = steps.filter(({ message }) => ids.has(message.id));
  await writeAll(tx, [historyWrite(added), countsWrite(added), outbox.write(added.flatMap(toEvents))]);
  return ids;
}

/** Saves locked messages with their history and events, and what else is to be written along with them. */
export async function save(
  tx: Transaction,
  steps: readonly Step<MessageHead>[],
  along: readonly Write[] = [],
): Promise<void> {
  const changed = steps.filter(({ before, message }) => message !== before);
  await writeAll(tx, [
    messageWrite(changed),
    checksWrite(changed),
    historyWrite(steps),
    countsWrite(changed),
    outbox.write(changed.flatMap(toEvents)),
    ...along,
  ]);
}

function messageWrite(changed: readonly Step<MessageHead>[]): Write {
  if (changed.length === 0) return undefined;
  const rows = columns(changed, { id: fixedColumns.id, ...changingColumns }, ({ message }) => toChanging(message));
  return (first) => ({
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    sql: `update messages m
     set ${assignments}
     from ${rows.as('n', first)} where m.id = n.id and m.sequence <= n.sequence`,
    parameters: rows.parameters,
  });
}

/** Reminders to ask about messages. They are kept apart because an index on `check_at` would slow down every update of a message. */
function checksWrite(changed: readonly Step<MessageHead>[]): Write {
  const armed = changed.filter(
    ({ before, message }) => message.checkAt !== null && message.checkAt !== before?.checkAt,
  );
  if (armed.length === 0) return undefined;
  const rows = columns(armed, { message_id: 'uuid', check_at: 'timestamptz' }, ({ message }) => ({
    message_id: message.id,
    check_at: message.checkAt,
  }));
  return (first) => ({
    sql: `insert into message_checks (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}

/** A line of the history for each move and remark; a remark that tells of its move is one line with it. */
function historyWrite(steps: readonly Step<MessageHead>[]): Write {
  const told = steps.flatMap(({ message, changes, remarks = [] }) => [
    ...changes
      .filter((change) => !remarks.some((remark) => remark.change === change))
      .map(({ at, ...detail }) => ({ message_id: message.id, at, kind: 'state', event_id: null, detail })),
    ...remarks.map(({ at, kind, eventId, detail, change }) => ({
      message_id: message.id,
      at,
      kind,
      event_id: eventId,
      detail: change ? { ...detail, change } : detail,
    })),
  ]);
  if (told.length === 0) return undefined;
  const lines = columns(told, {
    message_id: 'uuid',
    at: 'timestamptz',
    kind: 'text',
    event_id: 'text',
    detail: 'jsonb',
  });
  return (first) => ({
    // A callback that came before there was anything to report on may come again: what it did then is what counts.
    sql: `insert into message_history (${lines.names}) select * from ${lines.as('n', first)}
     on conflict (message_id, event_id) do update set at = excluded.at, detail = excluded.detail`,
    parameters: lines.parameters,
  });
}

export const messageTable: ItemTable<MessageRow, Message> = {
  name: 'messages',
  columns: Object.keys(messageColumns),
  toItem: toMessage,
};

export function toMessage(row: MessageRow): Message {
  return {
    ...toHead(row),
    requestDigest: row.request_digest,
    content: row.content,
    lane: laneOf(row.lane),
    sendAt: row.send_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    timeZone: row.time_zone,
    consent: row.consent,
    estimate: row.estimate ?? noEstimate,
  };
}

function toHead(row: HeadRow): MessageHead {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    channel: row.channel,
    to: row.recipient,
    from: row.sender,
    messagingServiceSid: row.messaging_service_sid,
    fallback: row.fallback,
    metadata: row.metadata,
    traceparent: row.traceparent,
    createdAt: row.created_at.toISOString(),
    state: row.state,
    sequence: row.sequence,
    providerSid: row.provider_sid,
    error: row.error,
    attempt: row.attempt,
    dueAt: row.due_at?.toISOString() ?? null,
    queue: row.queue,
    checkAt: row.check_at?.toISOString() ?? null,
    fallbackTaken: row.fallback_taken,
    fallbackAt: row.fallback_at?.toISOString() ?? null,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(message: Message) {
  return {
    ...toChanging(message),
    tenant: message.tenant,
    idempotency_key: message.idempotencyKey,
    request_digest: message.requestDigest,
    channel: message.channel,
    recipient: message.to,
    sender: message.from,
    messaging_service_sid: message.messagingServiceSid,
    content: message.content,
    lane: laneNumber(message.lane),
    fallback: message.fallback,
    metadata: message.metadata,
    send_at: message.sendAt,
    expires_at: message.expiresAt,
    time_zone: message.timeZone,
    consent: message.consent,
    estimate: message.estimate,
    traceparent: message.traceparent,
    created_at: message.createdAt,
  };
}

function toChanging(message: MessageHead) {
  return {
    id: message.id,
    state: message.state,
    sequence: message.sequence,
    provider_sid: message.providerSid,
    error: message.error,
    attempt: message.attempt,
    due_at: message.dueAt,
    queue: message.queue,
    check_at: message.checkAt,
    fallback_taken: message.fallbackTaken,
    fallback_at: message.fallbackAt,
    updated_at: message.updatedAt,
  };
}

function byId(rows: readonly MessageRow[]): Map<string, Message> {
  return new Map(rows.map((row) => [row.id, toMessage(row)]));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
