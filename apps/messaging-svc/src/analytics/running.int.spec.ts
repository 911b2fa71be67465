import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type MessagingDatabase, messagingDatabase } from '../../test/database.ts';
import { findErrors } from './errors.queries.ts';
import { dimensions } from './errors.rules.ts';
import { fold } from './fold.ts';
import { placeBook } from './place.rules.ts';
import { closeDay } from './running.ts';

let database: MessagingDatabase;
beforeAll(async () => (database = await messagingDatabase()));
afterAll(() => database.close());
beforeEach(async () => {
  await query(
    'truncate analytics_deltas, analytics_hourly, analytics_daily, analytics_running, analytics_closed restart identity',
  );
  for (let day = 1; day <= 20; day++) {
    await happened(day, '+1415555', '', 'delivered', 10 * day);
    await happened(day, '+1415555', '30003', 'failed', day);
    if (day % 7 === 0) await happened(day, '+4915112345', '30007', 'failed', 5);
  }
  await foldAll();
});

const places = placeBook(3);
const query = <Row>(sql: string, parameters: unknown[] = []) => database.dataSource.query<Row[]>(sql, parameters);
const dayAt = (day: number, hour = '00:00') => `2026-11-${String(day).padStart(2, '0')}T${hour}:00.000Z`;

async function happened(day: number, digits: string, code: string, outcome: string, count: number): Promise<void> {
  await query(
    `insert into analytics_deltas (hour, tenant, sender, digits, code, outcome, count)
     values ($1, 'demo', 'MG1', $2, $3, $4, $5)`,
    [dayAt(day, '09:00'), digits, code, outcome, count],
  );
}

async function foldAll(): Promise<void> {
  while ((await database.transact((tx) => fold(tx, places))) > 0);
}

/** As time goes by: how many days are closed at that moment. */
async function closeAll(now: string): Promise<number> {
  for (let days = 0; ; days++) if (!(await database.transact((tx) => closeDay(tx, new Date(now))))) return days;
}

const windows = [
  [1, 21],
  [3, 15],
  [10, 18],
  [1, 6],
  [16, 21],
  [18, 21],
] as const;
const answers = () =>
  Promise.all(
    windows.flatMap(([from, to]) =>
      [[...dimensions], ['country' as const], ['code' as const]].map((by) =>
        database.transact((tx) =>
          findErrors(tx, 'demo', { by, from: dayAt(from), to: dayAt(to), limit: 100 }, new Date(dayAt(21))),
        ),
      ),
    ),
  );

it('answers with running totals what it answers without, whatever the window', async () => {
  const without = await answers();
  expect(without[0]?.totals).toMatchObject({ delivered: 2100, failures: 220 });
  expect(await closeAll(dayAt(21, '01:59'))).toBe(19);
  expect(await answers()).toEqual(without);
  expect(await closeAll(dayAt(21, '02:00'))).toBe(1);
  expect(await closeAll(dayAt(21, '02:00'))).toBe(0);
  expect(await answers()).toEqual(without);
});

it('counts what came late to a day that was closed', async () => {
  await closeAll(dayAt(21, '02:00'));
  await happened(12, '+1415555', '30003', 'failed', 1000);
  expect(await closeAll(dayAt(22, '02:00'))).toBe(0);
  await foldAll();
  const late = await answers();
  expect(late[0]?.totals).toMatchObject({ failures: 1220 });
  expect(await closeAll(dayAt(21, '02:00'))).toBe(9);
  expect(await answers()).toEqual(late);
  expect(await query('select count(*)::int as days from (select distinct at from analytics_running) d')).toEqual([
    { days: 20 },
  ]);
});

it('starts anew when what came late is older than all of it', async () => {
  await closeAll(dayAt(21, '02:00'));
  await query(
    `insert into analytics_deltas (hour, tenant, sender, digits, code, outcome, count)
     values ('2026-10-30T09:00:00Z', 'demo', 'MG1', '+1415555', '', 'delivered', 7)`,
  );
  await foldAll();
  const all = await answers();
  expect(await closeAll(dayAt(21, '02:00'))).toBe(22);
  expect(await answers()).toEqual(all);
});
