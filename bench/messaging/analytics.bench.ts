import { createDataSource, type Transact, transactor } from '@signalbox/persistence';
import { findErrors } from '../../apps/messaging-svc/src/analytics/errors.queries.ts';
import { dimensions } from '../../apps/messaging-svc/src/analytics/errors.rules.ts';
import { closeDay } from '../../apps/messaging-svc/src/analytics/running.ts';
import type { Report } from '../report.ts';
import { quantile, ratio, summarise, takeTurns } from '../rounds.ts';
import { type BenchDatabase, startPlatform } from './platform.ts';

const messages = 10_000_000;
const days = 30;
const queries = 50;
const now = new Date('2026-11-24T18:00:00.000Z');
const hour = 3_600_000;

/** What failed where, of ten million messages: from the rollups, and by a scan of the table. */
export async function analyticsBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using database = await platform.messagingDatabase('analytics');
    await fillTables(database);
    const dataSource = createDataSource({ url: database.url, applicationName: 'bench' });
    await dataSource.initialize();
    const transact = transactor(dataSource);
    while (await transact((tx) => closeDay(tx, now)));
    await database.query('vacuum analyze analytics_running');
    const p95 = (hours: number, by: readonly (typeof dimensions)[number][]) => () => p95Of(transact, hours, by);
    const [all, country, hourly, scan] = await takeTurns(rounds, {
      'all five, 30 days, p95 ms': p95(days * 24, dimensions),
      'country, 30 days, p95 ms': p95(days * 24, ['country']),
      'all five, three days, p95 ms': p95(72, dimensions),
      'scan, ms': () => scanMs(database),
    });
    await dataSource.destroy();
    if (!all || !country || !hourly || !scan) throw new Error('a contender is missing');
    const [{ daily }] = (await database.query('select count(*)::int as daily from analytics_daily')) as [
      { daily: number },
    ];
    const value = (series: typeof all) => ({ unit: 'ms', value: summarise(series.values), target: '< 100 ms' });
    return {
      suite: 'messaging-analytics',
      method: `What \`GET /v1/analytics/errors\` asks of the database, p95 of ${queries} times, in ${rounds} rounds. ${messages.toLocaleString('en')} messages over ${days} days to 400 prefixes from 4 senders, 6 % of them failed with one of 12 codes: ${daily.toLocaleString('en')} rows of the daily rollup, and running totals of every day. The scan groups the messages themselves by prefix, sender and code, once a round; the ratio says how many times longer it takes.`,
      lines: [
        { what: `by all five dimensions, ${days} days`, ...value(all) },
        { what: `by country, ${days} days`, ...value(country) },
        { what: 'by all five dimensions, three days to the hour', ...value(hourly) },
        {
          what: 'a scan of the messages',
          unit: 'ms',
          value: summarise(scan.values),
          against: `by all five dimensions, ${days} days`,
          ratio: ratio(scan, all),
        },
      ],
    };
  } finally {
    await platform.stop();
  }
}

/** The messages without their indexes, which no query here uses, and the rollups that folding them would have made. */
async function fillTables(database: BenchDatabase): Promise<void> {
  await database.query('create unlogged table scanned (like messages including defaults)');
  await database.query('select setseed(0.42)');
  await database.query(
    `insert into scanned (id, tenant, idempotency_key, request_digest, channel, recipient, messaging_service_sid, content, lane,
       fallback, metadata, traceparent, created_at, state, sequence, provider_sid, error, attempt, updated_at)
     select gen_random_uuid(), 'demo', 'order-' || i, md5(i::text), 'sms',
       '+1' || 200 + floor(400 * power(random(), 2))::int || lpad((i % 10000000)::text, 7, '0'),
       'MG' || lpad(floor(4 * power(random(), 2))::text, 32, '0'),
       '{"body": "Your order has shipped", "mediaUrls": [], "contentSid": null, "contentVariables": {}}'::jsonb, 1,
       '[]'::jsonb, '{}'::jsonb, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
       $1::timestamptz - random() * $2 * interval '1 day',
       case when failed then 'undelivered' else 'delivered' end, 5, 'SM' || md5(i::text),
       case when failed then jsonb_build_object('code', 30001 + floor(12 * power(random(), 3))) end, 1, $1
     from (select i, random() < 0.06 as failed from generate_series(1, $3::int) i) drawn`,
    [now, days, messages],
  );
  for (const [table, unit, since] of [
    ['analytics_daily', 'day', days * 24 + 24],
    ['analytics_hourly', 'hour', 73],
  ] as const) {
    await database.query(
      `insert into ${table} (tenant, at, prefix, sender, code, country, carrier,
         handed_over, delivered, failed, rejected, expired, canceled)
       select tenant, date_trunc('${unit}', created_at, 'utc'), left(recipient, 5), messaging_service_sid,
         coalesce(error ->> 'code', ''), 'C' || (left(recipient, 5))::int % 20, 'Carrier ' || (left(recipient, 5))::int % 60,
         count(*), count(*) filter (where error is null), count(error), 0, 0, 0
       from scanned where created_at >= $1::timestamptz - $2 * interval '1 hour' group by 1, 2, 3, 4, 5, 6, 7`,
      [now, since],
    );
  }
  for (const table of ['scanned', 'analytics_daily', 'analytics_hourly'])
    await database.query(`vacuum analyze ${table}`);
}

async function p95Of(transact: Transact, hours: number, by: readonly (typeof dimensions)[number][]): Promise<number> {
  const from = new Date(now.getTime() - hours * hour).toISOString();
  const query = { by: [...by], from, to: now.toISOString(), limit: 100 };
  const times: number[] = [];
  for (let count = 0; count < queries; count++) {
    const start = performance.now();
    await transact((tx) => findErrors(tx, 'demo', query, now));
    times.push(performance.now() - start);
  }
  return quantile(
    times.sort((a, b) => a - b),
    0.95,
  );
}

async function scanMs(database: BenchDatabase): Promise<number> {
  const start = performance.now();
  await database.query(
    `select left(recipient, 5), messaging_service_sid, error ->> 'code', count(*), count(error) as failed
     from scanned where tenant = 'demo' and created_at >= $1::timestamptz - $2 * interval '1 day'
     group by 1, 2, 3 order by failed desc limit 100`,
    [now, days],
  );
  return performance.now() - start;
}
