import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { amplyLimit } from './dispatch.bench.ts';
import { messagingServiceSid, seed, settleDown } from './messages.ts';
import { type BenchDatabase, startPlatform } from './platform.ts';

const total = 10_000;
const few = 10_000;
const many = 2_000_000;

/** Dispatch from a table that has grown. */
export async function volumeBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    const simulator = await platform.simulator();
    await using small = await grown('small', few);
    await using large = await grown('large', many);

    const [ofMany, ofFew] = (await takeTurns(rounds, {
      [`${many.toLocaleString('en')} rows`]: dispatching(large, many),
      [`${few.toLocaleString('en')} rows`]: dispatching(small, few),
    })) as [Series, Series];
    return {
      suite: 'messaging-volume',
      method: `Dispatch of ${total.toLocaleString('en')} messages as above, from a table that holds so many more at their end, each with its attempt; ${rounds} rounds in turn.`,
      lines: [
        {
          what: `Dispatcher, with ${many.toLocaleString('en')} rows`,
          unit: '/s',
          value: summarise(ofMany.values),
          against: `with ${few.toLocaleString('en')} rows`,
          ratio: ratio(ofMany, ofFew),
          target: '≥ 0.9',
        },
        { what: `with ${few.toLocaleString('en')} rows`, unit: '/s', value: summarise(ofFew.values) },
      ],
    };

    async function grown(name: string, rows: number): Promise<BenchDatabase> {
      const database = await platform.messagingDatabase(name);
      await amplyLimit(database);
      for (let from = 0; from < rows; from += 100_000) {
        await seed(database, { from, count: Math.min(100_000, rows - from), state: 'delivered' });
      }
      return database;
    }

    function dispatching(database: BenchDatabase, rows: number): () => Promise<number> {
      let from = rows;
      return async () => {
        await simulator.reset();
        await database.query('truncate outbox, analytics_deltas');
        await seed(database, { from, count: total, state: 'queued', queue: `sender:${messagingServiceSid}` });
        from += total;
        await settleDown(database);
        const env = { ...simulator.env, ROLE: 'dispatch', DATABASE_URL: database.url, TOTAL: String(total) };
        return platform.rateOf('dispatch', ['bench/messaging/replica.ts'], env);
      };
    }
  } finally {
    await platform.stop();
  }
}
