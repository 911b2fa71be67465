import type { EmailState, Failure, Metadata } from '@signalbox/contracts';
import { type ItemTable, laneNumber, laneOf } from '@signalbox/outbound';
import {
  columns,
  Outbox,
  type OutgoingEvent,
  run,
  runPrepared,
  type Transaction,
  type Write,
  writeAll,
} from '@signalbox/persistence';
import { toEvents } from './email.events.ts';
import { isWithProvider } from './email.state.ts';
import { type Email, naturalKey, type PoolUse, type Step } from './email.ts';

/** The emails table. Every function that locks several rows takes them in id order, so two transactions never wait for each other crosswise. */

const outbox = new Outbox();

const fixedColumns = {
  id: 'uuid',
  tenant: 'text',
  idempotency_key: 'text',
  request_digest: 'text',
  recipient: 'text',
  recipient_name: 'text',
  sender: 'text',
  reply_to: 'text',
  subject: 'text',
  template_id: 'text',
  categories: 'jsonb',
  lane: 'smallint',
  body_key: 'text',
  unsubscribe_group: 'integer',
  ip_pool: 'text',
  correlation_id: 'text',
  metadata: 'jsonb',
  send_at: 'timestamptz',
  expires_at: 'timestamptz',
  traceparent: 'text',
  created_at: 'timestamptz',
} as const;

/** What `save` writes. */
const changingColumns = {
  template_data: 'jsonb',
  state: 'text',
  unsent: 'boolean',
  sequence: 'integer',
  provider_sid: 'text',
  error: 'jsonb',
  attempt: 'integer',
  due_at: 'timestamptz',
  queue: 'text',
  pool: 'jsonb',
  opens: 'integer',
  machine_opens: 'integer',
  clicks: 'integer',
  updated_at: 'timestamptz',
} as const;

const emailColumns = { ...fixedColumns, ...changingColumns };
const columnNames = Object.keys(emailColumns);

const assignments = Object.keys(changingColumns)
  .map((name) => `${name} = n.${name}`)
  .join(', ');

/** A row as the driver returns it. */
export interface EmailRow {
  readonly id: string;
  readonly tenant: string;
  readonly idempotency_key: string;
  readonly request_digest: string;
  readonly recipient: string;
  readonly recipient_name: string | null;
  readonly sender: string;
  readonly reply_to: string | null;
  readonly subject: string;
  readonly template_id: string | null;
  readonly categories: string[];
  readonly lane: number;
  readonly body_key: string;
  readonly unsubscribe_group: number | null;
  readonly ip_pool: string | null;
  readonly correlation_id: string | null;
  readonly metadata: Metadata;
  readonly send_at: Date | null;
  readonly expires_at: Date | null;
  readonly traceparent: string;
  readonly created_at: Date;
  readonly template_data: Record<string, unknown> | null;
  readonly state: EmailState;
  readonly sequence: number;
  readonly provider_sid: string | null;
  readonly error: Failure | null;
  readonly attempt: number;
  readonly due_at: Date | null;
  readonly queue: string;
  readonly pool: PoolUse | null;
  readonly opens: number;
  readonly machine_opens: number;
  readonly clicks: number;
  readonly updated_at: Date;
}

export const emailTable: ItemTable<EmailRow, Email> = { name: 'emails', columns: columnNames, toItem: toEmail };

const names = columnNames.map((name) => `e.${name}`).join(', ');

/** Locks by id; ids that do not exist are left out. */
export async function lock(tx: Transaction, ids: readonly string[]): Promise<Map<string, Email>> {
  const { rows } = await runPrepared<EmailRow>(
    tx,
    `select ${names} from emails e where e.id = any($1) order by e.id for update`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, toEmail(row)]));
}

/** What those made that these tenants and idempotency keys belong to, by `naturalKey`. */
export async function findByKey(
  tx: Transaction,
  wanted: readonly Pick<Email, 'tenant' | 'idempotencyKey'>[],
): Promise<Map<string, Pick<Email, 'id' | 'state' | 'requestDigest'>>> {
  if (wanted.length === 0) return new Map();
  const keys = columns(wanted, { tenant: 'text', idempotency_key: 'text' }, ({ tenant, idempotencyKey }) => ({
    tenant,
    idempotency_key: idempotencyKey,
  }));
  const { rows } = await run<Pick<EmailRow, 'id' | 'tenant' | 'idempotency_key' | 'state' | 'request_digest'>>(
    tx,
    `select e.id, e.tenant, e.idempotency_key, e.state, e.request_digest from emails e
     join ${keys.as('n')} on e.tenant = n.tenant and e.idempotency_key = n.idempotency_key`,
    keys.parameters,
  );
  return new Map(
    rows.map(({ id, tenant, idempotency_key: idempotencyKey, state, request_digest: requestDigest }) => [
      naturalKey({ tenant, idempotencyKey }),
      { id, state, requestDigest },
    ]),
  );
}

/** By what an event tells that does not carry our id. */
export interface ProviderKey {
  readonly tenant: string;
  /** `X-Message-Id`, or the whole `smtp-id`. */
  readonly sid: string;
  /** In lower case. */
  readonly recipient: string;
}

export function providerKey({ tenant, sid, recipient }: ProviderKey): string {
  return [tenant, sid, recipient].join('\0');
}

/**
 * Our ids by the provider's and the recipient, since the emails of one call share it; by `providerKey`. Locks nothing: all of a
 * batch are locked together, in one order.
 */
export async function idsOfProviderKeys(tx: Transaction, keys: readonly ProviderKey[]): Promise<Map<string, string>> {
  if (keys.length === 0) return new Map();
  const wanted = columns(keys, { tenant: 'text', sid: 'text', recipient: 'text' });
  const { rows } = await run<ProviderKey & { readonly id: string }>(
    tx,
    `select n.tenant, n.sid, n.recipient, found.id from ${wanted.as('n')} cross join lateral (
       select e.id from emails e
       where e.provider_sid = n.sid and e.recipient = n.recipient and e.tenant = n.tenant
       union all
       select s.email_id from email_smtp_ids s
       where s.smtp_id = n.sid and s.recipient = n.recipient and s.tenant = n.tenant
       limit 1) found`,
    wanted.parameters,
  );
  return new Map(rows.map((row) => [providerKey(row), row.id]));
}

/** Remembers under which `smtp-id` events speak of emails, where it is not made of the `X-Message-Id`. */
export async function learnSmtpIds(
  tx: Transaction,
  sightings: readonly (ProviderKey & { readonly emailId: string })[],
): Promise<void> {
  if (sightings.length === 0) return;
  const rows = columns(
    sightings,
    { tenant: 'text', smtp_id: 'text', recipient: 'text', email_id: 'uuid' },
    ({ tenant, sid, recipient, emailId }) => ({ tenant, smtp_id: sid, recipient, email_id: emailId }),
  );
  await run(
    tx,
    `insert into email_smtp_ids (${rows.names}) select * from ${rows.as('n')} order by 1, 2, 3 on conflict do nothing`,
    rows.parameters,
  );
}

/** Inserts new ones with their history and events; returns the ids that were new, by tenant and idempotency key. */
export async function insert(tx: Transaction, steps: readonly Step[]): Promise<Set<string>> {
  if (steps.length === 0) return new Set();
  // Sorted like the unique index, so that two batches with common keys cannot deadlock.
  const sorted = [...steps].sort((a, b) => compare(naturalKey(a.email), naturalKey(b.email)));
  const rows = columns(sorted, emailColumns, ({ email }) => toRow(email));
  const { rows: inserted } = await run<{ id: string }>(
    tx,
    `insert into emails (${rows.names}) select * from ${rows.as('n')}
     on conflict on constraint emails_idempotency_key do nothing returning id`,
    rows.parameters,
  );
  const ids = new Set(inserted.map(({ id }) => id));
  const added = steps.filter(({ email }) => ids.has(email.id));
  await writeAll(tx, [historyWrite(added), outbox.write(added.flatMap(toEvents))]);
  return ids;
}

/** Saves locked emails with their history and events, and what else is to be told or written along with them. */
export async function save(
  tx: Transaction,
  steps: readonly Step[],
  along: readonly Write[] = [],
  told: readonly OutgoingEvent[] = [],
): Promise<void> {
  const changed = steps.filter(({ before, email }) => email !== before);
  await writeAll(tx, [
    emailWrite(changed),
    historyWrite(steps),
    outbox.write([...changed.flatMap(toEvents), ...told]),
    ...along,
  ]);
}

function emailWrite(changed: readonly Step[]): Write {
  if (changed.length === 0) return undefined;
  const rows = columns(changed, { id: fixedColumns.id, ...changingColumns }, ({ email }) => toRow(email));
  return (first) => ({
    // The lock already keeps others out; the sequence makes going back impossible whoever forgets it.
    sql: `update emails e set ${assignments} from ${rows.as('n', first)} where e.id = n.id and e.sequence <= n.sequence`,
    parameters: rows.parameters,
  });
}

/** A line of the history for each move and remark; a remark that tells of its move is one line with it. */
function historyWrite(steps: readonly Step[]): Write {
  const told = steps.flatMap(({ email, changes, remarks }) => [
    ...changes
      .filter((change) => !remarks.some((remark) => remark.change === change))
      .map(({ at, ...detail }) => ({
        email_id: email.id,
        at,
        kind: 'state',
        event_id: null,
        provider_event_id: null,
        detail,
      })),
    ...remarks.map(({ at, kind, eventId, providerEventId, detail, change }) => ({
      email_id: email.id,
      at,
      kind,
      event_id: eventId,
      provider_event_id: providerEventId,
      detail: change ? { ...detail, change } : detail,
    })),
  ]);
  if (told.length === 0) return undefined;
  const lines = columns(told, {
    email_id: 'uuid',
    at: 'timestamptz',
    kind: 'text',
    event_id: 'text',
    provider_event_id: 'text',
    detail: 'jsonb',
  });
  return (first) => ({
    // An event that came before the email was handed over may come again: what it did then is what counts.
    sql: `insert into email_history (${lines.names}) select * from ${lines.as('n', first)}
     on conflict (email_id, event_id) do update set at = excluded.at, detail = excluded.detail`,
    parameters: lines.parameters,
  });
}

export function toEmail(row: EmailRow): Email {
  return {
    id: row.id,
    tenant: row.tenant,
    idempotencyKey: row.idempotency_key,
    requestDigest: row.request_digest,
    to: row.recipient,
    toName: row.recipient_name,
    from: row.sender,
    replyTo: row.reply_to,
    subject: row.subject,
    templateId: row.template_id,
    categories: row.categories,
    lane: laneOf(row.lane),
    bodyKey: row.body_key,
    unsubscribeGroup: row.unsubscribe_group,
    ipPool: row.ip_pool,
    correlationId: row.correlation_id,
    metadata: row.metadata,
    sendAt: row.send_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    traceparent: row.traceparent,
    createdAt: row.created_at.toISOString(),
    templateData: row.template_data,
    state: row.state,
    sequence: row.sequence,
    providerSid: row.provider_sid,
    error: row.error,
    attempt: row.attempt,
    dueAt: row.due_at?.toISOString() ?? null,
    queue: row.queue,
    pool: row.pool,
    opens: row.opens,
    machineOpens: row.machine_opens,
    clicks: row.clicks,
    updatedAt: row.updated_at.toISOString(),
  };
}

function toRow(email: Email) {
  return {
    id: email.id,
    tenant: email.tenant,
    idempotency_key: email.idempotencyKey,
    request_digest: email.requestDigest,
    recipient: email.to,
    recipient_name: email.toName,
    sender: email.from,
    reply_to: email.replyTo,
    subject: email.subject,
    template_id: email.templateId,
    categories: email.categories,
    lane: laneNumber(email.lane),
    body_key: email.bodyKey,
    unsubscribe_group: email.unsubscribeGroup,
    ip_pool: email.ipPool,
    correlation_id: email.correlationId,
    metadata: email.metadata,
    send_at: email.sendAt,
    expires_at: email.expiresAt,
    traceparent: email.traceparent,
    created_at: email.createdAt,
    template_data: email.templateData,
    state: email.state,
    // A column of its own, because an index on the state would make every event of an email rewrite all its index entries.
    unsent: !isWithProvider(email.state),
    sequence: email.sequence,
    provider_sid: email.providerSid,
    error: email.error,
    attempt: email.attempt,
    due_at: email.dueAt,
    queue: email.queue,
    pool: email.pool,
    opens: email.opens,
    machine_opens: email.machineOpens,
    clicks: email.clicks,
    updated_at: email.updatedAt,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
