import { run, type Transaction } from '@signalbox/persistence';
import type { PrefixesQuery, PrefixView } from './block.schemas.ts';
import { addTraffic, usualOf } from './decay.rules.ts';
import type { Traffic } from './guard.rules.ts';
import { type CountsRow, toCounts } from './watch.store.ts';

/** Prefixes with traffic of late, those with the most that nobody approved first. */
export async function findPrefixes(
  tx: Transaction,
  tenant: string,
  { under, limit }: PrefixesQuery,
  now: Date,
): Promise<PrefixView[]> {
  const { rows } = await run<CountsRow>(
    tx,
    `select * from guard_prefixes
     where tenant = $1 and starts_with(prefix, $2) and started > 0.5 and at > $3::timestamptz - interval '1 day'
     order by (started - approved) * exp(extract(epoch from at - $3) / 3600) desc, prefix limit $4`,
    [tenant, under ?? '+', now, limit],
  );
  return rows.map((row) => {
    const counts = addTraffic(toCounts(row), { started: 0, approved: 0 }, now);
    const usual = usualOf(counts);
    return {
      prefix: row.prefix,
      started: rounded(counts.recent.started),
      approved: rounded(counts.recent.approved),
      conversion: conversionOf(counts.recent),
      usualStarted: rounded(usual.started),
      usualConversion: conversionOf(usual),
    };
  });
}

const rounded = (value: number) => Math.round(value * 10) / 10;

function conversionOf({ started, approved }: Traffic): number | null {
  return started < 0.05 ? null : Math.min(1, Math.round((approved / started) * 1000) / 1000);
}
