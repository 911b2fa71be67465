import { run, type Transaction } from '@signalbox/persistence';
import { catalogue } from '@signalbox/twilio';
import type { Look } from './anomaly.rules.ts';
import type { Dimension } from './errors.rules.ts';
import type { PrefixLook } from './pumping.rules.ts';

const hour = 3_600_000;
const day = 24 * hour;

const fraudCodes = [...catalogue.values()].filter((entry) => entry.class === 'fraud').map(({ code }) => String(code));

/** Numbers of a prefix that are looked at for whether they follow on one another. */
const sample = 2_000;

interface Sums {
  readonly tenant: string;
  readonly dimension: Dimension | 'tenant';
  readonly value: string;
  readonly volume: number;
  readonly failures: number;
  readonly handed_over: number;
  readonly usual_volume: number;
  readonly usual_failures: number;
  readonly usual_handed_over: number;
  readonly fraud: number;
}

const sumsOf = (table: string, from: string, to: string) => `
  select tenant,
    case when country is not null then 'country' when prefix is not null then 'prefix'
      when carrier is not null then 'carrier' when sender is not null then 'sender'
      when code is not null then 'code' else 'tenant' end as dimension,
    coalesce(country, prefix, carrier, sender, code, '') as value,
    sum(delivered + failed)::int as volume, sum(failed)::int as failures, sum(handed_over)::int as handed_over,
    coalesce(sum(failed) filter (where code = any($4)), 0)::int as fraud
  from ${table} where at >= ${from} and at < ${to}
  group by tenant, grouping sets ((country), (prefix), (carrier), (sender), (code), ())`;

/**
 * What every scope with traffic did in this hour and the one before, against the seven UTC days before today: hours are
 * read for the one and days for the other, so that the cost stays that of a few thousand rows per tenant.
 */
export async function readLooks(tx: Transaction, now: Date): Promise<{ looks: Look[]; prefixes: PrefixLook[] }> {
  const today = Math.floor(now.getTime() / day) * day;
  const { rows } = await run<Sums>(
    tx,
    `with recent as (${sumsOf('analytics_hourly', '$1', `'infinity'`)}),
       usual as (${sumsOf('analytics_daily', '$2', '$3')})
     select r.*, coalesce(u.volume, 0) as usual_volume, coalesce(u.failures, 0) as usual_failures,
       coalesce(u.handed_over, 0) as usual_handed_over
     from recent r left join usual u using (tenant, dimension, value)
     where value <> '' or dimension = 'tenant'`,
    [windowStart(now), new Date(today - 7 * day), new Date(today), fraudCodes],
  );
  const whole = new Map(rows.filter(({ dimension }) => dimension === 'tenant').map((row) => [row.tenant, row]));
  return {
    looks: rows.flatMap((row) => toLook(row, whole.get(row.tenant)) ?? []),
    prefixes: rows.filter(({ dimension }) => dimension === 'prefix').map(toPrefixLook),
  };
}

/** Start of the hour before this one. */
export function windowStart(now: Date): Date {
  return new Date(Math.floor(now.getTime() / hour) * hour - hour);
}

/** A code is measured against all of the tenant's messages: those that ended with it are all failures. */
function toLook(row: Sums, whole: Sums | undefined): Look | undefined {
  const { tenant, dimension, value, failures, usual_failures } = row;
  if (dimension === 'tenant') return undefined;
  const base = dimension === 'code' ? whole : row;
  return {
    tenant,
    dimension,
    value,
    volume: base?.volume ?? 0,
    failures,
    usualVolume: base?.usual_volume ?? 0,
    usualFailures: usual_failures,
  };
}

function toPrefixLook(row: Sums): PrefixLook {
  return {
    tenant: row.tenant,
    prefix: row.value,
    handedOver: row.handed_over,
    usualHandedOver: row.usual_handed_over,
    volume: row.volume,
    failures: row.failures,
    fraudCodes: row.fraud,
  };
}

/** To whom was written lately under a prefix. */
export async function recentNumbers(
  tx: Transaction,
  { tenant, prefix }: Pick<PrefixLook, 'tenant' | 'prefix'>,
  since: Date,
): Promise<string[]> {
  const { rows } = await run<{ recipient: string }>(
    tx,
    `select recipient from messages
     where tenant = $1 and recipient between $2 and $2 || '999999999999999' and starts_with(recipient, $2)
       and created_at >= $3 limit ${sample}`,
    [tenant, prefix, since],
  );
  return rows.map(({ recipient }) => recipient);
}
