import { columns, run, type Transaction, type Write } from '@signalbox/persistence';
import { type Counts, type Delta, hourOf, measured, type StreamKey } from './count.rules.ts';

const keyColumns = {
  tenant: 'text',
  stream: 'text',
  provider: 'text',
  from_domain: 'text',
  hour: 'timestamptz',
} as const;
const countColumns = {
  attempted: 'integer',
  delivered: 'integer',
  hard_bounces: 'integer',
  soft_bounces: 'integer',
  blocks: 'integer',
  complaints: 'integer',
  opens: 'integer',
  machine_opens: 'integer',
} as const satisfies Record<keyof Counts, 'integer'>;

const keys = Object.keys(keyColumns).join(', ');
const sums = measured.map((name) => `sum(${name})::integer as ${name}`).join(', ');
const added = measured.map((name) => `${name} = r.${name} + excluded.${name}`).join(', ');

/** Deltas folded by one transaction. */
export const perFold = 20_000;

/** How long hours are kept, in days: longer than any window. */
const keptDays = 35;

/** Written along with the emails that are counted. Rows of their own, so that no two batches wait for each other. */
export function deltasWrite(deltas: readonly Delta[]): Write {
  if (deltas.length === 0) return undefined;
  const rows = columns(deltas, { ...keyColumns, ...countColumns });
  return (first) => ({
    sql: `insert into deliverability_deltas (${rows.names}) select * from ${rows.as('n', first)}`,
    parameters: rows.parameters,
  });
}

/** Moves deltas into the hours; tells how many there were, and of whom. Callers see to it that one replica at a time does so. */
export async function fold(tx: Transaction): Promise<{ deltas: number; tenants: string[] }> {
  const { rows } = await run<{ tenant: string; deltas: string }>(
    tx,
    `with taken as (
       delete from deliverability_deltas where id in (select id from deliverability_deltas order by id limit $1)
       returning ${keys}, ${measured.join(', ')}),
     kept as (
       insert into deliverability_hourly as r (${keys}, ${measured.join(', ')})
       select ${keys}, ${sums} from taken group by ${keys} order by ${keys}
       on conflict (${keys}) do update set ${added})
     select tenant, count(*) as deltas from taken group by tenant`,
    [perFold],
  );
  return {
    deltas: rows.reduce((sum, { deltas }) => sum + Number(deltas), 0),
    tenants: rows.map(({ tenant }) => tenant),
  };
}

/** Removes hours that no window reaches any more. */
export async function forgetOldHours(tx: Transaction): Promise<void> {
  await run(tx, `delete from deliverability_hourly where hour < now() - interval '${keptDays} days'`);
}

/** What a stream did in one hour. */
export interface HourOfStream extends StreamKey, Counts {
  readonly hour: Date;
}

/**
 * The hours of streams since then, folded or not: one statement sees each event once, whatever a fold does meanwhile.
 * @param of streams of these tenants; left out: of all
 */
export async function readHours(
  tx: Transaction,
  since: Date,
  of?: { readonly tenants: readonly string[] } & Partial<Pick<StreamKey, 'stream' | 'provider'>>,
): Promise<HourOfStream[]> {
  const { rows } = await run<HourOfStream>(
    tx,
    `select tenant, stream, provider, hour, ${sums} from (
       select ${keys}, ${measured.join(', ')} from deliverability_hourly
       union all select ${keys}, ${measured.join(', ')} from deliverability_deltas) counted
     where hour >= $1 and ($2::text[] is null or tenant = any($2)) and ($3::text is null or stream = $3)
       and ($4::text is null or provider = $4)
     group by tenant, stream, provider, hour`,
    [hourOf(since), of?.tenants ?? null, of?.stream ?? null, of?.provider ?? null],
  );
  return rows;
}

/** From which domains a tenant's emails came lately. */
export async function domainsInUse(tx: Transaction, since: Date): Promise<{ tenant: string; domain: string }[]> {
  const { rows } = await run<{ tenant: string; domain: string }>(
    tx,
    `select distinct tenant, from_domain as domain from deliverability_hourly where hour >= $1`,
    [since],
  );
  return rows;
}
