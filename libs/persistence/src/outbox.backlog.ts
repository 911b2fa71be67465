import type { DataSource } from 'typeorm';
import * as metrics from './outbox.metrics.ts';

const everyMs = 5_000;
const exactUpTo = 10_000;

/**
 * Reports the backlog from now until stopped. Every replica does, leader or not, because it matters most when none can lead.
 */
export function sampleBacklog(
  dataSource: DataSource,
  logger?: { warn(fields: object, message: string): void },
): { stop(): void } {
  let stopped = false;
  const sample = async () => {
    try {
      const { pending, oldestSeconds } = await readBacklog(dataSource);
      if (stopped) return;
      metrics.pending.set(pending);
      metrics.oldestSeconds.set(oldestSeconds);
    } catch (err) {
      if (!stopped) logger?.warn({ err }, 'outbox backlog could not be read');
    }
  };
  void sample();
  const timer = setInterval(() => void sample(), everyMs);
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Counts the rows only up to a limit; beyond it Postgres's running estimate is good enough and costs nothing. */
async function readBacklog(dataSource: DataSource): Promise<{ pending: number; oldestSeconds: number }> {
  const [row] = await dataSource.query<[{ pending: string; oldest: string }]>(
    `select case when counted < $1 then counted
                 else greatest(counted, pg_stat_get_live_tuples('outbox'::regclass)) end as pending,
            coalesce((select extract(epoch from clock_timestamp() - created_at) from outbox order by id limit 1), 0) as oldest
     from (select count(*) as counted from (select from outbox limit $1) as head) as head`,
    [exactUpTo],
  );
  return { pending: Number(row.pending), oldestSeconds: Number(row.oldest) };
}
