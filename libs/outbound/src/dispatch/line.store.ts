import type { Lane } from '@signalbox/contracts';
import { columns, run, runPrepared, type Transaction } from '@signalbox/persistence';
import type { Share, WaitingLine } from './allot.rules.ts';
import { type Item, type ItemTable, namesOf } from './item.ts';
import { laneNumber, laneOf } from './lane.rules.ts';

/**
 * The waiting lines of these lanes, each with the time when its first item is due, the most urgent lane first. Skips
 * from line to line in the index, so the cost is in the number of lines and not in their lengths.
 */
export async function waitingLines(
  tx: Transaction,
  table: string,
  among: readonly Lane[],
  limit: number,
): Promise<WaitingLine[]> {
  const { rows } = await runPrepared<{ lane: number; tenant: string; queue: string; due_at: Date }>(
    tx,
    `with recursive line as (
       (select lane, tenant, queue, due_at from ${table}
        where due_at is not null and lane >= $1 and lane <= $2
        order by lane, tenant, queue, due_at limit 1)
       union all
       select next.* from line cross join lateral (
         select lane, tenant, queue, due_at from ${table} m
         where m.due_at is not null and m.lane <= $2
           and (m.lane, m.tenant, m.queue) > (line.lane, line.tenant, line.queue)
         order by m.lane, m.tenant, m.queue, m.due_at limit 1) next
     )
     select lane, tenant, queue, due_at from line limit $3`,
    [laneNumber(among[0]), laneNumber(among.at(-1)), limit],
  );
  return rows.map(({ lane, tenant, queue, due_at }) => ({
    lane: laneOf(lane),
    tenant,
    queue,
    dueMs: due_at.getTime(),
  }));
}

/** Locks what is due in these lines, so much of each, the longest due first, without what the caller has already. */
export async function lockDue<Row, I extends Item>(
  tx: Transaction,
  table: ItemTable<Row, I>,
  shares: readonly Share[],
  now: Date,
  without: readonly string[] = [],
): Promise<I[]> {
  if (shares.length === 0) return [];
  const wanted = columns(
    shares,
    { lane: 'smallint', tenant: 'text', queue: 'text', count: 'integer' },
    ({ line, count }) => ({ lane: laneNumber(line.lane), tenant: line.tenant, queue: line.queue, count }),
  );
  const { rows } = await runPrepared<Row>(
    tx,
    `select ${namesOf(table, 'due')} from ${wanted.as('n', 3)} cross join lateral (
       select ${namesOf(table, 'm')} from ${table.name} m
       where m.lane = n.lane and m.tenant = n.tenant and m.queue = n.queue and m.due_at <= $1 and m.id <> all($2::uuid[])
       order by m.due_at limit n.count for update skip locked) due
     order by due.lane, due.due_at`,
    [now, without, ...wanted.parameters],
  );
  return rows.map((row) => table.toItem(row));
}

/** Locks items in line that expire before the line moves on; for a table that has `expires_at` and an index for it. */
export async function lockExpiringInLine<Row, I extends Item>(
  tx: Transaction,
  table: ItemTable<Row, I>,
  line: Omit<WaitingLine, 'dueMs'>,
  before: Date,
  limit: number,
): Promise<I[]> {
  const { rows } = await run<Row>(
    tx,
    `select ${namesOf(table, 'm')} from ${table.name} m
     where tenant = $1 and queue = $2 and lane = $3 and due_at is not null and expires_at <= $4
     order by expires_at limit $5 for update skip locked`,
    [line.tenant, line.queue, laneNumber(line.lane), before, limit],
  );
  return rows.map((row) => table.toItem(row));
}
