import { gauge } from '@signalbox/telemetry';
import type { DataSource } from 'typeorm';
import { laneNumber, lanes } from './lane.rules.ts';

/** Counted up to here; above it the planner's statistics have to do, because a scrape must not read a million entries. */
const exactUpTo = 10_000;

/** Reports how many items of a table are due, by lane, as the metric of this name, when it is scraped. */
export function reportDue(dataSource: DataSource, table: string, name: string): void {
  gauge(
    name,
    `What is due in ${table} and not yet claimed, by lane; an estimate above ${exactUpTo}`,
    ['lane'],
    async (metric) => {
      for (const lane of lanes) metric.set({ lane }, await countDue(dataSource, table, laneNumber(lane)));
    },
  );
}

export async function countDue(dataSource: DataSource, table: string, lane: number): Promise<number> {
  const [sample] = await dataSource.query<{ waiting: number; due: number }[]>(
    `select count(*)::int as waiting, count(*) filter (where due_at <= now())::int as due
     from (select due_at from ${table} where lane = $1 and due_at is not null limit $2) entries`,
    [lane, exactUpTo],
  );
  if (!sample || sample.waiting < exactUpTo) return sample?.due ?? 0;
  const [plan] = await dataSource.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }[]>(
    `explain (format json) select from ${table} where lane = ${lane} and due_at <= now()`,
  );
  return Math.max(sample.due, plan?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0);
}
