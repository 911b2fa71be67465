import type { Lane, SuppressionReason, SuppressionState } from '@signalbox/contracts';
import { columns, Outbox, run, runPrepared, type Transaction } from '@signalbox/persistence';
import {
  allBulk,
  decideAll,
  everything,
  keyOf,
  type Suppression,
  type SuppressionKey,
  type SuppressionRequest,
  toSuppressionEvent,
} from './suppression.rules.ts';

/**
 * The suppression list. Rows are created and locked in the order of their key, and always after those of emails, so that no two
 * transactions wait for each other crosswise.
 */

const outbox = new Outbox();

const keyColumns = { tenant: 'text', recipient: 'text', scope: 'text' } as const;

export interface SuppressionRow {
  readonly tenant: string;
  readonly recipient: string;
  readonly scope: string;
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  readonly sequence: number;
  readonly changed_at: Date;
  readonly told: number;
}

/**
 * Applies requests in their order, with the history and an event of each change in the same transaction; what changes
 * nothing leaves no trace. Returns the changes.
 */
export async function applyRequests(tx: Transaction, requests: readonly SuppressionRequest[]): Promise<Suppression[]> {
  if (requests.length === 0) return [];
  await reserve(tx, requests);
  const changes = decideAll(await lock(tx, requests), requests);
  if (changes.length === 0) return [];
  await save(tx, [...new Map(changes.map((change) => [keyOf(change), change])).values()]);
  await record(tx, changes);
  await outbox.append(tx, changes.map(toSuppressionEvent));
  return changes;
}

/** Which of these emails have a recipient who must not get them; their ids. Sees what was committed before this statement. */
export async function suppressedAmong(
  tx: Transaction,
  emails: readonly {
    readonly id: string;
    readonly tenant: string;
    readonly to: string;
    readonly lane: Lane;
    readonly unsubscribeGroup: number | null;
  }[],
): Promise<Set<string>> {
  if (emails.length === 0) return new Set();
  const asked = columns(
    emails,
    { id: 'uuid', tenant: 'text', recipient: 'text', bulk: 'boolean', of_group: 'integer' },
    ({ id, tenant, to, lane, unsubscribeGroup }) => ({
      id,
      tenant,
      recipient: to,
      bulk: lane === 'bulk',
      of_group: unsubscribeGroup,
    }),
  );
  // Lateral, so that each email costs an index probe however long the list is.
  const { rows } = await runPrepared<{ id: string }>(
    tx,
    `select n.id from ${asked.as('n')} cross join lateral (
       select from suppressions s
       where s.tenant = n.tenant and s.recipient = n.recipient and s.state = 'opted_out'
         and (s.scope = '${everything}'
           or (n.bulk and (n.of_group is null or s.scope in ('${allBulk}', 'group:' || n.of_group))))
       limit 1
     ) hit`,
    asked.parameters,
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * Changes that SendGrid is to be told, the oldest first, so many of each tenant: one whose key is refused keeps no other waiting.
 * Locks nothing: telling takes a while and does no harm twice.
 */
export async function untold(tx: Transaction, tenants: readonly string[], limit: number): Promise<Suppression[]> {
  const { rows } = await run<SuppressionRow>(
    tx,
    `select s.* from unnest($1::text[]) n (tenant) cross join lateral (
       select * from suppressions where told < sequence and tenant = n.tenant order by changed_at limit $2) s`,
    [tenants, limit],
  );
  return rows.map(toSuppression);
}

/** Of these tenants: for one without a key there is nobody to tell. All of them, or those that changed before `since`. */
export async function countUntold(
  tx: Transaction,
  tenants: readonly string[],
  since: Date | null = null,
): Promise<number> {
  const { rows } = await run<{ count: number }>(
    tx,
    `select count(*)::int as count from suppressions
     where told < sequence and tenant = any($1) and ($2::timestamptz is null or changed_at < $2)`,
    [tenants, since],
  );
  return rows[0]?.count ?? 0;
}

/** SendGrid knows these changes by now; one that came since is still to be told. */
export async function markTold(tx: Transaction, told: readonly Suppression[]): Promise<void> {
  const rows = columns(told, { ...keyColumns, sequence: 'integer' });
  await run(
    tx,
    `update suppressions s set told = n.sequence from ${rows.as('n')}
     where s.tenant = n.tenant and s.recipient = n.recipient and s.scope = n.scope and s.told < n.sequence`,
    rows.parameters,
  );
}

/** Who tells SendGrid of a tenant's changes, and for how long nobody else does. */
export interface TellingTurn {
  readonly tenant: string;
  readonly holder: string;
  readonly leaseMs: number;
}

/** Begins or prolongs a turn; false while it is another's. */
export async function takeTellingTurn(tx: Transaction, { tenant, holder, leaseMs }: TellingTurn): Promise<boolean> {
  const { affected } = await run(
    tx,
    `insert into suppression_syncs as s (tenant, next_at, since, telling_by, telling_until)
     values ($1, now(), 0, $2, now() + $3 * interval '1 millisecond')
     on conflict (tenant) do update set telling_by = excluded.telling_by, telling_until = excluded.telling_until
     where s.telling_by = $2 or s.telling_until <= now()`,
    [tenant, holder, leaseMs],
  );
  return affected > 0;
}

export async function endTellingTurn(tx: Transaction, { tenant, holder }: TellingTurn): Promise<void> {
  await run(tx, 'update suppression_syncs set telling_until = now() where tenant = $1 and telling_by = $2', [
    tenant,
    holder,
  ]);
}

/** Makes a row for everyone who may be opted out for the first time, so that there is something to lock. */
async function reserve(tx: Transaction, requests: readonly SuppressionRequest[]): Promise<void> {
  const optOuts = requests.filter(({ state }) => state === 'opted_out');
  if (optOuts.length === 0) return;
  const rows = columns(optOuts, keyColumns);
  await run(
    tx,
    `insert into suppressions (${rows.names}, state, reason, sequence, changed_at, told)
     select distinct ${rows.names}, 'opted_in', 'api', 0, now(), 0 from ${rows.as('n')} order by ${rows.names}
     on conflict do nothing`,
    rows.parameters,
  );
}

async function lock(tx: Transaction, keys: readonly SuppressionKey[]): Promise<Map<string, Suppression>> {
  const wanted = columns(keys, keyColumns);
  const { rows } = await run<SuppressionRow>(
    tx,
    `select * from suppressions where (${wanted.names}) in (select ${wanted.names} from ${wanted.as('n')})
     order by ${wanted.names} for update`,
    wanted.parameters,
  );
  return new Map(rows.map(toSuppression).map((suppression) => [keyOf(suppression), suppression]));
}

async function save(tx: Transaction, standing: readonly Suppression[]): Promise<void> {
  const rows = columns(
    standing,
    {
      ...keyColumns,
      state: 'text',
      reason: 'text',
      source: 'text',
      sequence: 'integer',
      changed_at: 'timestamptz',
      told: 'integer',
    },
    ({ at, ...row }) => ({ ...row, changed_at: at }),
  );
  await run(
    tx,
    `update suppressions s
     set state = n.state, reason = n.reason, source = n.source, sequence = n.sequence, changed_at = n.changed_at, told = n.told
     from ${rows.as('n')} where s.tenant = n.tenant and s.recipient = n.recipient and s.scope = n.scope`,
    rows.parameters,
  );
}

async function record(tx: Transaction, changes: readonly Suppression[]): Promise<void> {
  const rows = columns(changes, {
    ...keyColumns,
    state: 'text',
    reason: 'text',
    source: 'text',
    sequence: 'integer',
    at: 'timestamptz',
  });
  await run(tx, `insert into suppression_changes (${rows.names}) select * from ${rows.as('n')}`, rows.parameters);
}

/**
 * Leaves of a recipient's suppressions where they stand, and of their history the last change. What was told of it is told again
 * without the details, under the same key, id and sequence: readers have it already, and compaction drops the first. Returns
 * whether an opt-out stands.
 */
export async function stripSuppressions(tx: Transaction, tenant: string, recipient: string): Promise<boolean> {
  const { rows } = await run<SuppressionRow & { had_details: boolean }>(
    tx,
    `with locked as materialized (
       select *, source is not null as had_details from suppressions where tenant = $1 and recipient = $2
       order by tenant, recipient, scope for update)
     update suppressions s set source = null from locked l
     where s.tenant = l.tenant and s.recipient = l.recipient and s.scope = l.scope
     returning s.*, l.had_details`,
    [tenant, recipient],
  );
  await run(
    tx,
    `delete from suppression_changes c using suppressions s
     where c.tenant = $1 and c.recipient = $2 and s.tenant = c.tenant and s.recipient = c.recipient
       and s.scope = c.scope and c.sequence < s.sequence`,
    [tenant, recipient],
  );
  await run(tx, 'update suppression_changes set source = null where tenant = $1 and recipient = $2', [
    tenant,
    recipient,
  ]);
  const standing = rows.filter(({ sequence, had_details }) => sequence > 0 && had_details);
  await outbox.append(
    tx,
    standing.map(({ had_details: _, ...row }) => toSuppressionEvent(toSuppression(row))),
  );
  return rows.some(({ state }) => state === 'opted_out');
}

export function toSuppression({ changed_at, ...row }: SuppressionRow): Suppression {
  return { ...row, at: changed_at.toISOString() };
}
