import type { Failure, Lane, MessageChannel, MessageState, Metadata, SendRequest } from '@signalbox/contracts';
import { columns, Outbox, run, type Transaction } from '@signalbox/persistence';
import { toEvents } from './message.events.ts';
import type { Message, MessageContent, Step } from './message.ts';

/**
 * The messages table. Every function that locks several rows takes them in id order, so two transactions never wait
 * for each other crosswise; `lockDue` and `lockUnheard` skip rows that another replica holds.
 */

const outbox = new Outbox();

const lanes: readonly Lane[] = ['critical', 'transactional', 'bulk'];

const messageColumns = {
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
  traceparent: 'text',
  created_at: 'timestamptz',
  state: 'text',
  sequence: 'integer',
  provider_sid: 'text',
  error: 'jsonb',
  attempt: 'integer',
  due_at: 'timestamptz',
  check_at: 'timestamptz',
  fallback_taken: 'smallint',
  fallback_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const;

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
  readonly traceparent: string;
  readonly created_at: Date;
  readonly state: MessageState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly attempt: number;
  readonly due_at: Date | null;
  readonly check_at: Date | null;
  readonly fallback_taken: number;
  readonly fallback_at: Date | null;
  readonly updated_at: Date;
}

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Message>> {
  const { rows } = await run<MessageRow>(tx, 'select * from messages where id = any($1) order by id for update', [ids]);
  return byId(rows);
}

/** Locks by the provider's id, for callbacks that do not carry ours. */
export async function lockByProviderSid(tx: Transaction, sids: readonly string[]): Promise<Map<string, Message>> {
  if (sids.length === 0) return new Map();
  const { rows } = await run<MessageRow>(
    tx,
    'select * from messages where provider_sid = any($1) order by id for update',
    [sids],
  );
  return new Map(rows.map((row) => [row.provider_sid ?? '', toMessage(row)]));
}

/** Locks what is due for dispatch: the most urgent lane first, in it the longest due. */
export async function lockDue(tx: Transaction, now: Date, limit: number): Promise<Message[]> {
  const { rows } = await run<MessageRow>(
    tx,
    'select * from messages where due_at <= $1 order by lane, due_at limit $2 for update skip locked',
    [now, limit],
  );
  return rows.map(toMessage);
}

/** Locks messages the provider has been silent about for too long. */
export async function lockUnheard(tx: Transaction, now: Date, limit: number): Promise<Message[]> {
  const { rows } = await run<MessageRow>(
    tx,
    'select * from messages where check_at <= $1 order by check_at limit $2 for update skip locked',
    [now, limit],
  );
  return rows.map(toMessage);
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
  await tell(
    tx,
    steps.filter(({ message }) => ids.has(message.id)),
  );
  return ids;
}

/** Saves locked messages with their history and events. */
export async function save(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const changed = steps.filter(({ before, message }) => message !== before);
  if (changed.length === 0) return;
  const {
    id,
    state,
    sequence,
    provider_sid,
    error,
    attempt,
    due_at,
    check_at,
    fallback_taken,
    fallback_at,
    updated_at,
  } = messageColumns;
  const rows = columns(
    changed,
    { id, state, sequence, provider_sid, error, attempt, due_at, check_at, fallback_taken, fallback_at, updated_at },
    ({ message }) => toRow(message),
  );
  await run(
    tx,
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    `update messages m
     set state = n.state, sequence = n.sequence, provider_sid = n.provider_sid, error = n.error,
         attempt = n.attempt, due_at = n.due_at, check_at = n.check_at,
         fallback_taken = n.fallback_taken, fallback_at = n.fallback_at, updated_at = n.updated_at
     from ${rows.as('n')} where m.id = n.id and m.sequence <= n.sequence`,
    rows.parameters,
  );
  await tell(tx, changed);
}

/** History lines and events of the moves. */
async function tell(tx: Transaction, steps: readonly Step[]): Promise<void> {
  const moves = steps.flatMap(({ message, changes }) => changes.map((change) => ({ message, change })));
  if (moves.length === 0) return;
  const lines = columns(
    moves,
    { message_id: 'uuid', at: 'timestamptz', kind: 'text', detail: 'jsonb' },
    ({ message, change }) => ({
      message_id: message.id,
      at: change.at,
      kind: 'state',
      detail: { sequence: change.sequence, from: change.from, to: change.to, error: change.error },
    }),
  );
  await run(tx, `insert into message_history (${lines.names}) select * from ${lines.as('n')}`, lines.parameters);
  await outbox.append(tx, steps.flatMap(toEvents));
}

export function toMessage(row: MessageRow): Message {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    requestDigest: row.request_digest,
    channel: row.channel,
    to: row.recipient,
    from: row.sender,
    messagingServiceSid: row.messaging_service_sid,
    content: row.content,
    lane: lanes[row.lane] ?? 'bulk',
    fallback: row.fallback,
    metadata: row.metadata,
    sendAt: row.send_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    traceparent: row.traceparent,
    createdAt: row.created_at.toISOString(),
    state: row.state,
    sequence: row.sequence,
    providerSid: row.provider_sid,
    error: row.error,
    attempt: row.attempt,
    dueAt: row.due_at?.toISOString() ?? null,
    checkAt: row.check_at?.toISOString() ?? null,
    fallbackTaken: row.fallback_taken,
    fallbackAt: row.fallback_at?.toISOString() ?? null,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(message: Message) {
  return {
    id: message.id,
    tenant: message.tenant,
    idempotency_key: message.idempotencyKey,
    request_digest: message.requestDigest,
    channel: message.channel,
    recipient: message.to,
    sender: message.from,
    messaging_service_sid: message.messagingServiceSid,
    content: message.content,
    lane: lanes.indexOf(message.lane),
    fallback: message.fallback,
    metadata: message.metadata,
    send_at: message.sendAt,
    expires_at: message.expiresAt,
    traceparent: message.traceparent,
    created_at: message.createdAt,
    state: message.state,
    sequence: message.sequence,
    provider_sid: message.providerSid,
    error: message.error,
    attempt: message.attempt,
    due_at: message.dueAt,
    check_at: message.checkAt,
    fallback_taken: message.fallbackTaken,
    fallback_at: message.fallbackAt,
    updated_at: message.updatedAt,
  };
}

function byId(rows: readonly MessageRow[]): Map<string, Message> {
  return new Map(rows.map((row) => [row.id, toMessage(row)]));
}

function naturalKey(message: Message): string {
  return `${message.tenant}\0${message.idempotencyKey}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
