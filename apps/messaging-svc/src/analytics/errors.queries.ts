import { run, type Transaction } from '@signalbox/persistence';
import { type Dimension, failureRate, meaningOf, windowOf } from './errors.rules.ts';
import type { ErrorRow, ErrorsAnswer, ErrorsQuery } from './errors.schemas.ts';

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

const sums = ['handed_over', 'delivered', 'failed', 'rejected', 'expired', 'canceled']
  .map((column) => `sum(${column})::int as ${column}`)
  .join(', ');

/** From the rollups alone: the cost is in periods, places and codes, not in messages. */
export async function findErrors(
  tx: Transaction,
  tenant: string,
  query: ErrorsQuery,
  now: Date,
): Promise<ErrorsAnswer> {
  const to = query.to ? new Date(query.to) : now;
  const from = query.from ? new Date(query.from) : new Date(to.getTime() - 24 * 3_600_000);
  const window = windowOf(from, to, now);
  // Few groups out of many days: worth parallel workers sooner than the planner thinks. Hours are better found by the index.
  if (window.table === 'analytics_daily') await run(tx, `select set_config('parallel_tuple_cost', '0.01', true)`);
  await run(tx, `select set_config('jit', 'off', true)`);
  const { rows } = await run<Row & { all: Row | null }>(tx, errorsSql(window.table, query.by), [
    tenant,
    window.from,
    window.to,
    query.limit,
  ]);
  return {
    from: window.from.toISOString(),
    to: window.to.toISOString(),
    totals: countsOf(rows[0]?.all ?? nothing),
    rows: rows.filter((row) => row.ended !== null).map((row) => toRow(row, query.by)),
  };
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
 * First the cells, one per scope and code; then scopes out of cells, so that the rollup is read once. Where codes are told
 * apart, a cell is a row, and its rate is that of the scope around it. Names come from the enum of the schema.
 */
export function errorsSql(table: string, by: readonly Dimension[]): string {
  const places = by.filter((name) => name !== 'code');
  const around = places.length > 0 ? `partition by ${places.join(', ')}` : '';
  const cells = `
    cells as materialized (
      select ${[...places, 'code'].join(', ')}, ${sums}
      from ${table} where tenant = $1 and at >= $2 and at < $3 group by ${[...places, 'code'].join(', ')}),
    whole as (
      select ${sums}, sum(delivered + failed)::int as ended from cells)`;
  const scopes = by.includes('code')
    ? `
    scopes as (
      select * from (
        select *, sum(delivered + failed) over (${around})::int as ended, null::json as codes from cells) c
      where code <> '')`
    : `
    scopes as (
      select ${places.join(', ')}, ${sums}, sum(delivered + failed)::int as ended,
        to_json((array_agg(json_build_object('code', code, 'count', failed + rejected + expired)
          order by failed + rejected + expired desc, code) filter (where code <> ''))[1:${topCodes}]) as codes
      from cells group by ${places.join(', ')})`;
  return `with ${cells}, ${scopes}
    select row_to_json(whole) as all, s.*
    from whole left join (
      select * from scopes order by failed desc, rejected desc, ended desc limit $4) s on true
    order by s.failed desc, s.rejected desc, s.ended desc`;
}

function toRow(row: Row, by: readonly Dimension[]): ErrorRow {
  const code = by.includes('code') && row.code ? meaningOf(row.code) : undefined;
  return {
    ...Object.fromEntries(by.map((name) => [name, row[name] || null])),
    ...(code && { title: code.title, remedy: code.remedy, class: code.class }),
    ...countsOf(row),
    codes: (row.codes ?? []).map(({ code: name, count }) => {
      const { class: failureClass, title, remedy } = meaningOf(name);
      return { code: name, count, class: failureClass, title, remedy };
    }),
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
