import { topics } from '@signalbox/contracts';
import { fill } from '../messaging/messages.ts';
import { startPlatform } from '../messaging/platform.ts';
import type { Report } from '../report.ts';
import { ratio, type Series, summarise, takeTurns } from '../rounds.ts';
import { clear, deliveredEvent, seedSubmitted, settleDown } from './emails.ts';

const total = 60_000;

/** Events of SendGrid from the topic into Postgres. */
export async function emailEventsBench(rounds: number): Promise<Report> {
  const platform = await startPlatform();
  try {
    await using database = await platform.database('email-svc', 'email');
    const topic = topics.sendgridEventCallbacks.name;
    await fill(platform.brokers, topic, total, deliveredEvent);

    let turn = 0;
    const contender = (name: string, program: string, env: NodeJS.ProcessEnv) => async () => {
      await clear(database);
      await seedSubmitted(database, total);
      await settleDown(database);
      const group = { KAFKA_GROUP_ID: `${name}-${turn++}`, TOPIC: topic, TOTAL: String(total) };
      return platform.rateOf(name, [program], { DATABASE_URL: database.url, ...group, ...env });
    };
    const [own, all, state] = (await takeTurns(rounds, {
      'BatchTransport + ProgressHandler': contender('own', 'bench/email/replica.ts', {}),
      'the same rows by bare batched SQL': contender('all', 'bench/email/events.peer-bare.ts', { ROWS: 'all' }),
      'the state alone by one UPDATE per batch': contender('state', 'bench/email/events.peer-bare.ts', {
        ROWS: 'state',
      }),
    })) as [Series, Series, Series];

    const what = 'BatchTransport + ProgressHandler';
    return {
      suite: 'email-events',
      method: `A topic of ${total.toLocaleString('en')} deliveries, each of an email of its own, applied to the emails table of a durable Postgres; ${rounds} rounds in turn, a new process each. Ours locks and judges each email, drops repeats, learns suppressions, and writes state, history and events in one transaction per batch; publishing the events is not part of it. The bare SQL writes the same three rows for each without any of that, or the state only.`,
      lines: [
        { what, unit: '/s', value: summarise(own.values), target: '≥ 20,000, or the next line' },
        {
          what,
          unit: '/s',
          value: summarise(own.values),
          against: 'kafkajs `eachBatch` + the same rows by bare batched SQL',
          ratio: ratio(own, all),
          target: '≥ 0.5',
        },
        {
          what,
          unit: '/s',
          value: summarise(own.values),
          against: 'kafkajs `eachBatch` + one `unnest` UPDATE of the state (the limit)',
          ratio: ratio(own, state),
        },
        { what: 'the same rows by bare batched SQL', unit: '/s', value: summarise(all.values) },
        { what: 'the limit', unit: '/s', value: summarise(state.values) },
      ],
    };
  } finally {
    await platform.stop();
  }
}
