import { topics } from '@signalbox/contracts';
import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { clear, deliveredCallback, fill, seed, settleDown } from './messages.ts';
import { startPlatform } from './platform.ts';

const total = 60_000;

/** Status callbacks from the topic into Postgres. */
export async function callbacksBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using database = await platform.messagingDatabase('messaging');
    const { env } = await platform.simulator();
    const topic = topics.twilioMessageCallbacks.name;
    await fill(platform.brokers, topic, total, deliveredCallback);

    let turn = 0;
    const contender =
      (name: string, program: string, changes: NodeJS.ProcessEnv = {}) =>
      async () => {
        await clear(database);
        await seed(database, { count: total, state: 'submitted' });
        await settleDown(database);
        const group = { KAFKA_GROUP_ID: `${name}-${turn++}`, TOPIC: topic, TOTAL: String(total) };
        return platform.rateOf(name, [program], { ...env, DATABASE_URL: database.url, ...group, ...changes });
      };
    const [own, naive, bare, same] = (await takeTurns(rounds, {
      'BatchTransport + DeliveryHandler': contender('own', 'bench/messaging/replica.ts', { ROLE: 'callbacks' }),
      'Nest @EventPattern + TypeORM findOne, save': contender('nest', 'bench/messaging/callbacks.peer-nest.ts'),
      'eachBatch + one UPDATE per batch': contender('bare', 'bench/messaging/callbacks.peer-bare.ts', {
        ROWS: 'state',
      }),
      'eachBatch + the same rows by bare SQL': contender('same', 'bench/messaging/callbacks.peer-bare.ts', {
        ROWS: 'all',
      }),
    })) as [Series, Series, Series, Series];

    return {
      suite: 'messaging-callbacks',
      method: `A topic of ${total.toLocaleString('en')} callbacks, each of a message of its own, applied to the messages table of a durable Postgres; ${rounds} rounds in turn, a new process each. Ours locks and judges each message, drops repeats, and writes state, history, counts and events in one transaction per batch; publishing the events is not part of it. The bare SQL writes the same rows without any of that, or, like Nest, the state only.`,
      lines: [
        {
          what: 'BatchTransport + DeliveryHandler',
          unit: '/s',
          value: summarise(own.values),
          against: 'Nest `@EventPattern` + TypeORM `findOne`, `save`',
          ratio: ratio(own, naive),
          target: '≥ 50',
        },
        {
          what: 'BatchTransport + DeliveryHandler',
          unit: '/s',
          value: summarise(own.values),
          against: 'kafkajs `eachBatch` + one `unnest` UPDATE per batch (the limit)',
          ratio: ratio(own, bare),
          target: '≥ 0.5',
        },
        {
          what: 'BatchTransport + DeliveryHandler',
          unit: '/s',
          value: summarise(own.values),
          against: 'kafkajs `eachBatch` + the same rows by bare batched SQL',
          ratio: ratio(own, same),
        },
        { what: 'the same rows by bare batched SQL', unit: '/s', value: summarise(same.values) },
        { what: 'Nest `@EventPattern` + TypeORM', unit: '/s', value: summarise(naive.values) },
        { what: 'the limit', unit: '/s', value: summarise(bare.values) },
      ],
    };
  } finally {
    await platform.stop();
  }
}
