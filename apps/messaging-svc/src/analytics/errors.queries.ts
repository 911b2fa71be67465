import { run, type Transaction } from '@signalbox/persistence';
import { outcomes } from '../message/count.rules.ts';
import { type Dimension, failureRate, meaningOf, type Part, partsOf, windowOf } from './errors.rules.ts';
import type { ErrorRow, ErrorsAnswer, ErrorsQuery } from './errors.schemas.ts';
import { closedDays } from './running.ts';

const topCodes = 5;

interface Row extends Readonly<Partial<Record<Dimension, string>>> {
  readonly handed_over: number;
  readonly delivered: number;
  readonly failed: number;
  readonly rejected: number;
  readonly expired: number;
  readonly canceled: number;
  /** Delivered and failed, of all codes of this scope. */
  readonly ended: number;
  readonly codes: { code: string; count: number }[] | null;
}

const sums = outcomes.map((column) => `sum(${column})::int as ${column}`).join(', ');

/** From the rollups alone: the cost is in places and codes and the hours of two days at most, not in messages. */
export async function findErrors(
  tx: Transaction,
  tenant: string,
  query: ErrorsQuery,
  now: Date,
): Promise<ErrorsAnswer> {
  const to = query.to ? new Date(query.to) : now;
  const from = query.from ? new Date(query.from) : new Date(to.getTime() - 24 * 3_600_000);
  const window = windowOf(from, to, now);
  const parts = partsOf(window, await closedDays(tx));
  await tune(tx, parts);
  const { rows } = await run<Row & { all: Row | null }>(tx, errorsSql(parts, query.by), [
    tenant,
    query.limit,
    ...parts.flatMap((part) => [part.from, part.to]),
  ]);
  return {
    from: window.from.toISOString(),
    to: window.to.toISOString(),
    totals: countsOf(rows[0]?.all ?? nothing),
    rows: rows.filter((row) => row.ended !== null).map((row) => toRow(row, query.by)),
  };
}

async function tune(tx: Transaction, parts: readonly Part[]): Promise<void> {
  // The groups fit into this memory; under the default they would be sorted on disk, which takes three times as long.
  await run(tx, `select set_config('work_mem', '64MB', true), set_config('jit', 'off', true)`);
  if (parts.some(({ table }) => table === 'analytics_running')) {
    // Hardly fewer groups than rows: workers would pass on nearly all they read.
    await run(tx, `select set_config('max_parallel_workers_per_gather', '0', true)`);
  } else if (parts.some(({ table }) => table === 'analytics_daily')) {
    // Few groups out of many days: worth workers sooner than the planner thinks. Hours are better found by the index.
    await run(tx, `select set_config('parallel_tuple_cost', '0.01', true)`);
  }
}

const nothing: Row = {
  handed_over: 0,
  delivered: 0,
  failed: 0,
  rejected: 0,
  expired: 0,
  canceled: 0,
  ended: 0,
  codes: null,
};

/**
 * First the cells, one per scope and code; then scopes out of cells, so that the rollups are read once. Where codes are told
 * apart, a cell is a row, and its rate is that of the scope around it. Names come from the enum of the schema.
 */
function errorsSql(parts: readonly Part[], by: readonly Dimension[]): string {
  const places = by.filter((name) => name !== 'code');
  const group = [...places, 'code'].join(', ');
  const cells = `
    cells as materialized (
      select ${group}, ${sums} from (${parts.map((part, index) => partSql(part, group, 3 + 2 * index)).join(' union all ')}) parts
      group by ${group} having ${outcomes.map((name) => `sum(${name}) <> 0`).join(' or ')}),
    whole as (
      select ${sums}, sum(delivered + failed)::int as ended from cells)`;
  const around =
    places.length > 0
      ? `join (select ${places.join(', ')}, sum(delivered + failed)::int as ended from cells group by ${places.join(', ')}) around
         using (${places.join(', ')})`
      : 'cross join (select ended from whole) around';
  const scopes = by.includes('code')
    ? `
    scopes as (
      select cells.*, around.ended, null::json as codes from cells ${around} where code <> '')`
    : `
    scopes as (
      select ${places.join(', ')}, ${sums}, sum(delivered + failed)::int as ended,
        to_json((array_agg(json_build_object('code', code, 'count', failed + rejected + expired)
          order by failed + rejected + expired desc, code) filter (where code <> ''))[1:${topCodes}]) as codes
      from cells group by ${places.join(', ')})`;
  return `with ${cells}, ${scopes}
    select row_to_json(whole) as all, s.*
    from whole left join (
      select * from scopes order by failed desc, rejected desc, ended desc limit $2) s on true
    order by s.failed desc, s.rejected desc, s.ended desc`;
}

function partSql({ table }: Part, columns: string, from: number): string {
  if (table !== 'analytics_running') {
    return `select ${columns}, ${outcomes.join(', ')} from ${table}
      where tenant = $1 and at >= $${from} and at < $${from + 1}`;
  }
  const minus = outcomes.map((name) => `- ${name}`).join(', ');
  return `select ${columns}, ${outcomes.join(', ')} from ${table} where tenant = $1 and at = $${from + 1}
    union all select ${columns}, ${minus} from ${table} where tenant = $1 and at = $${from}`;
}

function toRow(row: Row, by: readonly Dimension[]): ErrorRow {
  const code = by.includes('code') && row.code ? meaningOf(row.code) : undefined;
  return {
    ...Object.fromEntries(by.map((name) => [name, row[name] || null])),
    ...code,
    ...countsOf(row),
    codes: (row.codes ?? []).map(({ code: name, count }) => ({ code: name, count, ...meaningOf(name) })),
  };
}

function countsOf(row: Row) {
  return {
    handedOver: row.handed_over ?? 0,
    delivered: row.delivered ?? 0,
    failures: row.failed ?? 0,
    rejected: row.rejected ?? 0,
    expired: row.expired ?? 0,
    canceled: row.canceled ?? 0,
    total: row.ended ?? 0,
    rate: failureRate(row.failed ?? 0, row.ended ?? 0),
  };
}
