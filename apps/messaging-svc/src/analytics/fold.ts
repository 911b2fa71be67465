import { isAlone } from '@signalbox/domain-service';
import { columns, run, type Transaction } from '@signalbox/persistence';
import { type Delta, outcomes } from '../message/count.rules.ts';
import { dayOf, type Rollup, rollUp } from './fold.rules.ts';
import type { Place } from './place.rules.ts';
import { reopen } from './running.ts';

/** Deltas folded by one transaction. */
export const perFold = 20_000;

const key = ['tenant', 'at', 'prefix', 'sender', 'code', 'country', 'carrier'];
const added = outcomes.map((outcome) => `${outcome} = r.${outcome} + excluded.${outcome}`).join(', ');

/**
 * Moves deltas into the rollups, one replica at a time; returns how many there were. A delta that becomes visible after a
 * later one is found by the next fold: what counts is that it is there, not its id.
 */
export async function fold(tx: Transaction, placeOf: (digits: string) => Place): Promise<number> {
  if (!(await isAlone(tx, 'fold'))) return 0;
  const { rows } = await run<Omit<Delta, 'hour'> & { hour: Date; deltas: string }>(
    tx,
    `with taken as (
       delete from analytics_deltas where id in (select id from analytics_deltas order by id limit $1)
       returning hour, tenant, sender, digits, code, outcome, count)
     select hour, tenant, sender, digits, code, outcome, sum(count)::integer as count, count(*) as deltas
     from taken group by hour, tenant, sender, digits, code, outcome`,
    [perFold],
  );
  const deltas = rows.map((row) => ({ ...row, hour: row.hour.toISOString() }));
  await add(
    tx,
    'analytics_hourly',
    rollUp(deltas, placeOf, (hour) => hour),
  );
  await add(tx, 'analytics_daily', rollUp(deltas, placeOf, dayOf));
  const [earliest] = deltas.map(({ hour }) => dayOf(hour)).sort();
  if (earliest !== undefined) await reopen(tx, new Date(earliest));
  return rows.reduce((sum, row) => sum + Number(row.deltas), 0);
}

async function add(
  tx: Transaction,
  table: 'analytics_hourly' | 'analytics_daily',
  rollups: readonly Rollup[],
): Promise<void> {
  if (rollups.length === 0) return;
  const rows = columns(rollups, {
    tenant: 'text',
    at: 'timestamptz',
    prefix: 'text',
    sender: 'text',
    code: 'text',
    country: 'text',
    carrier: 'text',
    handed_over: 'integer',
    delivered: 'integer',
    failed: 'integer',
    rejected: 'integer',
    expired: 'integer',
    canceled: 'integer',
  });
  await run(
    tx,
    `insert into ${table} as r (${rows.names}) select * from ${rows.as('n')}
     on conflict (${key.join(', ')}) do update set ${added}`,
    rows.parameters,
  );
}
