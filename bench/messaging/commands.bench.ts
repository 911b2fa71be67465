import { topics } from '@signalbox/contracts';
import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { clear, fill, sendCommand, settleDown } from './messages.ts';
import { startPlatform } from './platform.ts';

const total = 40_000;

/** Send commands from the topic into the queue. */
export async function commandsBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using database = await platform.messagingDatabase('messaging');
    const { env } = await platform.simulator();
    const topic = topics.messagingCommands.name;
    await fill(platform.brokers, topic, total, sendCommand);

    let turn = 0;
    const contender =
      (name: string, program: string, changes: NodeJS.ProcessEnv = {}) =>
      async () => {
        await clear(database);
        await settleDown(database);
        const group = { KAFKA_GROUP_ID: `${name}-${turn++}`, TOPIC: topic, TOTAL: String(total) };
        return platform.rateOf(name, [program], { ...env, DATABASE_URL: database.url, ...group, ...changes });
      };
    const [own, bare] = (await takeTurns(rounds, {
      'BatchTransport + AcceptanceHandler': contender('own', 'bench/messaging/replica.ts', { ROLE: 'commands' }),
      'eachBatch + one INSERT per batch': contender('bare', 'bench/messaging/commands.peer-bare.ts'),
    })) as [Series, Series];

    return {
      suite: 'messaging-commands',
      method: `A topic of ${total.toLocaleString('en')} send commands taken into the queue of a durable Postgres by one replica; ${rounds} rounds in turn, a new process each. Ours checks contract, number, content, suppression and idempotency key, and writes message, history, counts and events in one transaction per batch; publishing the events is not part of it.`,
      lines: [
        {
          what: 'BatchTransport + AcceptanceHandler',
          unit: '/s',
          value: summarise(own.values),
          target: '≥ 5,000 /s',
        },
        {
          what: 'BatchTransport + AcceptanceHandler',
          unit: '/s',
          value: summarise(own.values),
          against: 'kafkajs `eachBatch` + one `unnest` INSERT per batch (the limit)',
          ratio: ratio(own, bare),
        },
        { what: 'the limit', unit: '/s', value: summarise(bare.values) },
      ],
    };
  } finally {
    await platform.stop();
  }
}
