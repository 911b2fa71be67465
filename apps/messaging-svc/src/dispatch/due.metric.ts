import type { Lane } from '@signalbox/contracts';
import { gauge } from '@signalbox/telemetry';
import type { DataSource } from 'typeorm';

/** Counted up to here; above it the planner's statistics have to do, because a scrape must not read a million entries. */
const exactUpTo = 10_000;

const lanes: readonly Lane[] = ['critical', 'transactional', 'bulk'];

/** Reports how many messages are due, by lane, when it is scraped. */
export function reportDue(dataSource: DataSource): void {
  gauge(
    'signalbox_messages_due',
    `Messages that are due and not yet claimed, by lane; an estimate above ${exactUpTo}`,
    ['lane'],
    async (metric) => {
      for (const [number, lane] of lanes.entries()) metric.set({ lane }, await countDue(dataSource, number));
    },
  );
}

export async function countDue(dataSource: DataSource, lane: number): Promise<number> {
  const [sample] = await dataSource.query<{ waiting: number; due: number }[]>(
    `select count(*)::int as waiting, count(*) filter (where due_at <= now())::int as due
     from (select due_at from messages where lane = $1 and due_at is not null limit $2) entries`,
    [lane, exactUpTo],
  );
  if (!sample || sample.waiting < exactUpTo) return sample?.due ?? 0;
  const [plan] = await dataSource.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }[]>(
    `explain (format json) select from messages where lane = ${lane} and due_at <= now()`,
  );
  return Math.max(sample.due, plan?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0);
}
