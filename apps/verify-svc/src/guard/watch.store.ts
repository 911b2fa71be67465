import { columns, run, type Transaction } from '@signalbox/persistence';
import type { Counts } from './decay.rules.ts';
import type { Traffic } from './guard.rules.ts';
import type { Sum } from './watch.rules.ts';

/** What happened in a thousand numbers since the last fold. */
export interface Delta extends Traffic {
  readonly tenant: string;
  readonly block: string;
}

export interface PrefixCounts {
  readonly tenant: string;
  readonly prefix: string;
  readonly counts: Counts;
}

/** Takes what waits to be counted, by block; and how many rows that were. */
export async function takeDeltas(tx: Transaction, limit: number): Promise<{ deltas: Delta[]; taken: number }> {
  const { rows } = await run<Delta & { rows: number }>(
    tx,
    `with taken as (
       delete from guard_deltas where id in (select id from guard_deltas order by id limit $1)
       returning tenant, block, started, approved)
     select tenant, block, sum(started)::int as started, sum(approved)::int as approved, count(*)::int as rows
     from taken group by tenant, block`,
    [limit],
  );
  return { deltas: rows, taken: rows.reduce((sum, row) => sum + row.rows, 0) };
}

/** A row of guard_prefixes. */
export interface CountsRow {
  readonly tenant: string;
  readonly prefix: string;
  readonly started: number;
  readonly approved: number;
  readonly long_started: number;
  readonly long_approved: number;
  readonly at: Date;
}

export async function readCounts(
  tx: Transaction,
  prefixes: readonly { tenant: string; prefix: string }[],
): Promise<PrefixCounts[]> {
  const wanted = columns(prefixes, { tenant: 'text', prefix: 'text' });
  const { rows } = await run<CountsRow>(
    tx,
    `select p.* from guard_prefixes p join ${wanted.as('n')} on p.tenant = n.tenant and p.prefix = n.prefix`,
    wanted.parameters,
  );
  return rows.map((row) => ({ tenant: row.tenant, prefix: row.prefix, counts: toCounts(row) }));
}

export function toCounts(row: CountsRow): Counts {
  return {
    recent: { started: row.started, approved: row.approved },
    long: { started: row.long_started, approved: row.long_approved },
    at: row.at.toISOString(),
  };
}

/** Stores the counts of these prefixes. */
export async function writeCounts(
  tx: Transaction,
  sums: ReadonlyMap<string, Sum>,
  counts: ReadonlyMap<string, Counts>,
): Promise<void> {
  if (sums.size === 0) return;
  const rows = columns(
    [...sums].flatMap(([key, { prefix }]) => {
      const known = counts.get(key);
      return known ? [{ ...prefix, ...known }] : [];
    }),
    {
      tenant: 'text',
      prefix: 'text',
      started: 'double precision',
      approved: 'double precision',
      long_started: 'double precision',
      long_approved: 'double precision',
      at: 'timestamptz',
    },
    ({ tenant, prefix, recent, long, at }) => ({
      tenant,
      prefix,
      ...recent,
      long_started: long.started,
      long_approved: long.approved,
      at,
    }),
  );
  await run(
    tx,
    `insert into guard_prefixes (${rows.names}) select * from ${rows.as('n')}
     on conflict (tenant, prefix) do update
     set started = excluded.started, approved = excluded.approved, long_started = excluded.long_started,
       long_approved = excluded.long_approved, at = excluded.at`,
    rows.parameters,
  );
}

/** What was started in blocks of a thousand numbers since a time, each start with when. */
export async function readStarts(
  tx: Transaction,
  blocks: readonly { tenant: string; prefix: string }[],
  since: Date,
): Promise<{ tenant: string; block: string; at: Date; approved: boolean }[]> {
  if (blocks.length === 0) return [];
  const wanted = columns(blocks, { tenant: 'text', prefix: 'text' });
  const { rows } = await run<{ tenant: string; block: string; at: Date; approved: boolean }>(
    tx,
    `select s.tenant, s.block, s.at, s.approved_at is not null as approved
     from guard_starts s join ${wanted.as('n', 2)} on s.tenant = n.tenant and s.block = n.prefix
     where s.at > $1 and s.refused is null order by s.at`,
    [since, ...wanted.parameters],
  );
  return rows;
}

/** Blocks of the guard whose counts are still in those of the wider prefixes; from now on they are not. */
export async function takeUnexcluded(tx: Transaction): Promise<string[]> {
  const { rows } = await run<{ id: string }>(
    tx,
    `update guard_blocks set excluded = true where not excluded and made_by = 'guard' and ended_at is null returning id`,
  );
  return rows.map(({ id }) => id);
}

/** Forgets prefixes that nobody has verified under for a month. */
export async function forgetPrefixes(tx: Transaction, before: Date): Promise<void> {
  await run(
    tx,
    `delete from guard_prefixes where (tenant, prefix) in
       (select tenant, prefix from guard_prefixes where at < $1 order by at limit 10000)`,
    [before],
  );
}
