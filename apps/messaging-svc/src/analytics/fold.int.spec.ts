import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { run } from '@signalbox/persistence';
import { describeFailure } from '@signalbox/twilio';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { move, unchanged } from '../message/message.ts';
import { lock, save } from '../message/message.store.ts';
import { fold } from './fold.ts';
import { placeBook } from './place.rules.ts';

let database: MessagingDatabase;
beforeAll(async () => (database = await messagingDatabase()));
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query(
    'truncate messages, attempts, message_history, message_checks, outbox, analytics_deltas, analytics_hourly, analytics_daily cascade',
  ),
);

const places = placeBook(3);
const foldAll = async () => {
  while ((await database.transact((tx) => fold(tx, places))) > 0);
};
const totals = async (table: string) =>
  database.transact(async (tx) => {
    const { rows } = await run<Record<string, number>>(
      tx,
      `select sum(handed_over)::int as handed_over, sum(delivered)::int as delivered, sum(failed)::int as failed from ${table}`,
    );
    return rows[0];
  });

/** Every message ends, a tenth of them without delivery. */
async function end(ids: readonly string[]): Promise<void> {
  const at = new Date().toISOString();
  await database.transact(async (tx) => {
    const steps = [...(await lock(tx, ids)).values()].map((message) => {
      const submitted = move(move(unchanged(message), 'submitting', at), 'submitted', at, { providerSid: message.id });
      return message.to.endsWith('0')
        ? move(submitted, 'undelivered', at, { error: describeFailure(30003) })
        : move(submitted, 'delivered', at);
    });
    await save(tx, steps);
  });
}

it('counts every move once, while batches and folds run at the same time', async () => {
  const to = (index: number) => ({ to: `+1415555${String(index).padStart(4, '0')}` });
  const messages = await queueMessages(database, 1000, to);
  const batches = Array.from({ length: 20 }, (_, batch) =>
    messages.slice(batch * 50, batch * 50 + 50).map(({ id }) => id),
  );
  const folds = async () => {
    for (let pass = 0; pass < 10; pass++) await database.transact((tx) => fold(tx, places));
  };
  await Promise.all([...batches.map(end), folds(), folds()]);
  await foldAll();

  const truth = { handed_over: 1000, delivered: 900, failed: 100 };
  expect(await totals('analytics_hourly')).toEqual(truth);
  expect(await totals('analytics_daily')).toEqual(truth);
  const [{ count } = { count: '' }] = await database.dataSource.query<{ count: string }[]>(
    'select count(*) from analytics_deltas',
  );
  expect(count).toBe('0');
});

it('counts nothing of a transaction that is rolled back', async () => {
  const [message] = await queueMessages(database, 1);
  const aborted = database.transact(async (tx) => {
    const [queued] = (await lock(tx, [message?.id ?? ''])).values();
    if (queued) await save(tx, [move(unchanged(queued), 'canceled', new Date().toISOString())]);
    throw new Error('rolled back');
  });
  await expect(aborted).rejects.toThrow('rolled back');
  expect(await database.transact((tx) => fold(tx, places))).toBe(0);
});

it('keeps one row per sender, place and code', async () => {
  await end((await queueMessages(database, 20, (index) => ({ to: `+4915112345${10 + index}` }))).map(({ id }) => id));
  await foldAll();
  const rows = await database.dataSource.query<unknown[]>(
    'select prefix, country, carrier, code, handed_over, delivered, failed from analytics_daily order by code',
  );
  const place = { prefix: '+49151', country: 'DE', carrier: 'T-Mobile' };
  expect(rows).toEqual([
    { ...place, code: '', handed_over: 20, delivered: 18, failed: 0 },
    { ...place, code: '30003', handed_over: 0, delivered: 0, failed: 2 },
  ]);
});
