import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { clear, messagingServiceSid, seed, settleDown } from './messages.ts';
import { type BenchDatabase, startPlatform } from './platform.ts';

const total = 20_000;
const concurrency = '64';
const queue = `sender:${messagingServiceSid}`;

/** Messages from the queue to the provider. */
export async function dispatchBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using database = await platform.messagingDatabase('messaging');
    const simulator = await platform.simulator();
    await amplyLimit(database);

    const env = { ...simulator.env, TOTAL: String(total) };
    const loop = (client: string) => async () => {
      await simulator.reset();
      const changes = { CLIENT: client, CONCURRENCY: concurrency };
      return platform.rateOf(client, ['bench/messaging/dispatch.peer-loop.ts'], { ...env, ...changes });
    };
    const dispatcher = async () => {
      await simulator.reset();
      await clear(database);
      await seed(database, { count: total, state: 'queued', queue });
      await settleDown(database);
      const changes = { ROLE: 'dispatch', DATABASE_URL: database.url, DISPATCH_CONCURRENCY: concurrency };
      return platform.rateOf('dispatch', ['bench/messaging/replica.ts'], { ...env, ...changes });
    };
    const [own, undici, axios] = (await takeTurns(rounds, {
      Dispatcher: dispatcher,
      'loop over the SDK on undici': loop('undici'),
      'loop over the SDK as it comes': loop('axios'),
    })) as [Series, Series, Series];

    return {
      suite: 'messaging-dispatch',
      method: `${total.toLocaleString('en')} messages to the simulator, ${concurrency} calls at once, ${rounds} rounds in turn, a new process each. Ours claims them from a durable Postgres with an attempt row, a lease and the slots of an account's and a sender's quota each, and settles the answers there; the loops keep nothing.`,
      lines: [
        {
          what: 'Dispatcher',
          unit: '/s',
          value: summarise(own.values),
          against: 'a loop over the twilio SDK on undici',
          ratio: ratio(own, undici),
          target: '≥ 0.5',
        },
        {
          what: 'Dispatcher',
          unit: '/s',
          value: summarise(own.values),
          against: 'a loop over the twilio SDK as it comes (axios)',
          ratio: ratio(own, axios),
        },
        { what: 'the SDK on undici', unit: '/s', value: summarise(undici.values) },
        { what: 'the SDK as it comes', unit: '/s', value: summarise(axios.values) },
      ],
    };
  } finally {
    await platform.stop();
  }
}

/** Quotas that have to be kept and never hold anything up. */
export async function amplyLimit(database: BenchDatabase): Promise<void> {
  await database.query(
    `insert into quotas (tenant, scope, rate, burst, updated_at)
     select 'demo', scope, 100000, 1000000, now() from unnest($1::text[]) scope`,
    [['account', queue]],
  );
}
