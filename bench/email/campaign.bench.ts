import { setTimeout as sleep } from 'node:timers/promises';
import { toHeaders, topics } from '@signalbox/contracts';
import { startSystem } from '@signalbox/testing/platform';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import type { Report } from '../report.ts';
import { summarise } from '../rounds.ts';

const total = 50_000;

/** How each kind of recipient ends, whom the simulator knows by the beginning of the address. */
const ends: Readonly<Record<string, string>> = {
  delivered: 'delivered',
  deferred: 'delivered',
  'hard-bounce': 'bounced',
  blocked: 'bounced',
  'late-bounce': 'bounced',
  dropped: 'dropped',
  spam: 'complained',
  open: 'delivered',
  click: 'delivered',
};
const kinds = Object.keys(ends);

interface Outcome {
  readonly seconds: number;
  readonly wrong: number;
  readonly lost: number;
  readonly doubled: number;
  readonly calls: number;
}

/** Emails of all kinds at once, through the whole system, with a provider that doubles, shuffles and strips its events. */
export async function emailCampaignBench(rounds: number): Promise<Report> {
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) {
    outcomes.push(await campaign());
    console.log(`  round ${round + 1}  ${JSON.stringify(outcomes.at(-1))}`);
  }
  const of = (pick: (outcome: Outcome) => number) => summarise(outcomes.map(pick));
  return {
    suite: 'email-campaign',
    method: `${total.toLocaleString('en')} emails of nine kinds of recipients through Kafka, email-svc, the simulator and webhook-ingest, all on the same cores; ${rounds} rounds. 20 % of the events come twice, 20 % late, batches are shuffled, 10 % come without custom arguments. Measured from the first command to the last right end; then each email is looked up.`,
    lines: [
      { what: 'from the request to its right end', unit: 'emails/s', value: of(({ seconds }) => total / seconds) },
      { what: 'emails per call of the provider', unit: '', value: of(({ calls }) => total / calls) },
      { what: 'emails with a wrong end', unit: 'emails', value: of(({ wrong }) => wrong), target: '0' },
      { what: 'emails lost', unit: 'emails', value: of(({ lost }) => lost), target: '0' },
      { what: 'emails sent twice', unit: 'emails', value: of(({ doubled }) => doubled), target: '0' },
    ],
  };
}

async function campaign(): Promise<Outcome> {
  const system = await startSystem({ only: ['webhook-ingest', 'email-svc'] });
  const database = new pg.Client({ connectionString: system.info.postgres['email'] });
  await database.connect();
  const control = async <Body>(path: string, body?: object): Promise<Body> => {
    const headers = { 'content-type': 'application/json' };
    const init = body && { method: 'POST', headers, body: JSON.stringify(body) };
    const answer = await fetch(`${system.info.simulator}/_sim/${path}`, init);
    return (await answer.json()) as Body;
  };
  try {
    await control('faults', {
      callbacks: { duplicate: 0.2, reorder: 0.2, withoutArgs: 0.1, delayMs: [0, 50] },
      latencyMs: [20, 80],
      operations: ['create'],
    });
    const startedAt = performance.now();
    await publish(system.info.kafka);
    const right = kinds.map((kind) => `recipient like '${kind}+%' and state = '${ends[kind]}'`).join(' or ');
    const count = async (condition: string) => {
      const { rows } = await database.query<{ count: number }>(
        `select count(*)::int as count from emails where ${condition}`,
      );
      return rows[0]?.count ?? 0;
    };
    const deadline = performance.now() + 300_000;
    while ((await count(right)) < total && performance.now() < deadline) await sleep(250);
    const seconds = (performance.now() - startedAt) / 1000;
    // Repeats and late ones are still on their way; they may change nothing.
    while ((await control<{ pending: number }>('email-events')).pending > 0) await sleep(250);
    await sleep(2_000);
    const wrong = total - (await count(right));
    const accepted = await control<{ to: string }[]>('emails');
    const distinct = new Set(accepted.map(({ to }) => to)).size;
    const { sends } = await control<{ sends: number }>('email-events');
    return { seconds, wrong, lost: total - distinct, doubled: accepted.length - distinct, calls: sends };
  } finally {
    await database.end();
    await system.stop();
  }
}

async function publish(brokers: string): Promise<void> {
  const producer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  for (let from = 0; from < total; from += 2_000) {
    const messages = Array.from({ length: Math.min(2_000, total - from) }, (_, at) => {
      const index = from + at;
      const to = `${kinds[index % kinds.length]}+${index}@campaign.example`;
      const idempotencyKey = `campaign-${index}`;
      const data = { tenant: 'demo', idempotencyKey, to, subject: 'Hello', text: 'Hello there', lane: 'bulk' };
      const event = {
        id: idempotencyKey,
        source: '//bench',
        type: 'email.send.v1',
        time: new Date().toISOString(),
        data,
      };
      return { key: `demo:${to}`, headers: toHeaders(event), value: JSON.stringify(data) };
    });
    await producer.send({ topic: topics.emailCommands.name, messages, acks: -1 });
  }
  await producer.disconnect();
}
