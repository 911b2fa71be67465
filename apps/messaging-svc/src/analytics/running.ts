import { isAlone } from '@signalbox/domain-service';
import { run, type Transaction } from '@signalbox/persistence';
import { outcomes } from '../message/count.rules.ts';
import { type Closed, dailyKeptMs } from './errors.rules.ts';

/**
 * Running totals, one row per sender, place and code and day, so that a window of days costs two days' rows however long it
 * is. They are made of the daily rollup once a day is over.
 */

const day = 24 * 3_600_000;

/** So long after a day has ended what happened in it is folded, unless something is stuck. */
const settleMs = 2 * 3_600_000;

const dimensions = 'tenant, prefix, sender, code, country, carrier';
const counts = outcomes.join(', ');

/** The days that have running totals; undefined while there are none. */
export async function closedDays(tx: Transaction): Promise<Closed | undefined> {
  const { rows } = await run<Closed>(tx, 'select since, until from analytics_closed');
  return rows[0];
}

/** Adds the next day that is over to the running totals, one replica at a time; true when there may be another. */
export async function closeDay(tx: Transaction, now: Date): Promise<boolean> {
  if (!(await isAlone(tx, 'fold'))) return false;
  const closed = await closedDays(tx);
  const from = closed?.until ?? (await firstDay(tx));
  if (!from) return false;
  const until = new Date(from.getTime() + day);
  if (now.getTime() < until.getTime() + settleMs || (await isUnfolded(tx, until))) return false;
  await run(
    tx,
    `insert into analytics_running (at, ${dimensions}, ${counts})
     select $2, ${dimensions}, ${outcomes.map((name) => `sum(${name})`).join(', ')}
     from (select ${dimensions}, ${counts} from analytics_running where at = $1
           union all select ${dimensions}, ${counts} from analytics_daily where at = $1) days
     group by ${dimensions}`,
    [from, until],
  );
  const oldest = new Date(Math.floor((now.getTime() - dailyKeptMs) / day) * day);
  await run(tx, 'delete from analytics_running where at < $1', [oldest]);
  await run(
    tx,
    `insert into analytics_closed (since, until) values (greatest($1::timestamptz, $2), $1)
     on conflict (only_row) do update set since = greatest(analytics_closed.since, $2), until = $1`,
    [until, oldest],
  );
  return true;
}

/** Takes back the running totals that a count of this day, which came late, makes wrong; they are made again. */
export async function reopen(tx: Transaction, from: Date): Promise<void> {
  const closed = await closedDays(tx);
  if (!closed || from >= closed.until) return;
  await run(tx, 'delete from analytics_running where at > $1', [from]);
  await run(
    tx,
    from < closed.since ? 'delete from analytics_closed' : 'update analytics_closed set until = $1',
    from < closed.since ? [] : [from],
  );
}

async function firstDay(tx: Transaction): Promise<Date | null> {
  const { rows } = await run<{ first: Date | null }>(tx, 'select min(at) as first from analytics_daily');
  return rows[0]?.first ?? null;
}

async function isUnfolded(tx: Transaction, before: Date): Promise<boolean> {
  const { rows } = await run(tx, 'select from analytics_deltas where hour < $1 limit 1', [before]);
  return rows.length > 0;
}
