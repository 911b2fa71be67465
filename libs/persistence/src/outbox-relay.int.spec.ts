import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { propagation } from '@opentelemetry/api';
import type { CloudEvent } from '@signalbox/contracts';
import { createTopic, eventually, testDatabase, testKafka, type TestDatabase } from '@signalbox/testing';
import { Kafka, logLevel, type ISocketFactory } from 'kafkajs';
import { register } from 'prom-client';
import type { DataSource } from 'typeorm';
import { after, moments } from '../test/failpoint.ts';
import { readTopic, type ReadRecord } from '../test/read-topic.ts';
import {
  createDataSource,
  migrate,
  Outbox,
  outboxMigration,
  OutboxRelay,
  run,
  transactor,
  type OutboxRelayOptions,
  type OutgoingEvent,
} from './index.ts';

const broker = testKafka();
const outbox = new Outbox();

let database: TestDatabase;
let dataSource: DataSource;
let kafka: Kafka;
let topic: string;
let relays: OutboxRelay[];

beforeAll(async () => {
  database = await testDatabase({
    migrate: (url) => migrate(createDataSource({ url, applicationName: 'spec', migrations: [outboxMigration] })),
  });
  dataSource = await createDataSource({ url: database.url, applicationName: 'spec' }).initialize();
  await dataSource.query('create table aggregate (id text primary key, sequence int not null)');
  kafka = kafkaClient();
});

beforeEach(async () => {
  relays = [];
  topic = broker.topic('events');
  await createTopic(kafka, { topic, numPartitions: 4 });
  await dataSource.query('truncate aggregate, outbox');
});

afterEach(async () => {
  await Promise.all(relays.map((relay) => relay.stop()));
});

afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

describe('two replicas', () => {
  it('publish 5,000 events of four writers in order per aggregate, each once', async () => {
    const told: string[] = [];
    const logger = {
      info: (_: object, message: string) => told.push(message),
      warn: (_: object, message: string) => told.push(message),
    };
    const [first, second] = [relay({ logger }), relay({ logger })];
    await write(5_000, { writers: 4, afterCommit: () => (first.nudge(), second.nudge()) });
    await published();
    expect(faults(await readTopic(kafka, topic), 5_000)).toEqual([]);
    expect(told).toEqual(['outbox relay leads']);
  });

  it('do so while one leader after the other loses its session', async () => {
    relay({ batchSize: 100 });
    relay({ batchSize: 100 });
    let writing = true;
    const writers = write(3_000, { writers: 4 }).finally(() => (writing = false));
    let lost = 0;
    while (writing) {
      await eventually(async () => expect(await killLeader()).toBe(1));
      lost += 1;
    }
    await writers;
    await published();
    expect(lost).toBeGreaterThan(1);
    expect(faults(await readTopic(kafka, topic), 3_000)).toEqual([]);
  });
});

describe('a leader killed in the middle of a batch', () => {
  it.each(moments)('after %s: the next one leaves no gap and repeats nothing', async (moment) => {
    await write(200, { writers: 2 });
    const script = fileURLToPath(new URL('../test/doomed-relay.ts', import.meta.url));
    const doomed = spawn(
      process.execPath,
      ['--conditions=@signalbox/source', script, database.url, broker.brokers.join(), 'spec', moment],
      { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    expect(await once(doomed, 'exit')).toEqual([null, 'SIGKILL']);
    // Its first batch is settled; whether the second is published, only Kafka knows.
    expect(await count('outbox')).toBe(150);
    relay();
    await published();
    expect(faults(await readTopic(kafka, topic), 200)).toEqual([]);
  });
});

describe('a leader that does not know it lost the lead', () => {
  it('cannot commit what it was publishing', async () => {
    await write(100, { writers: 2 });
    const reached = Promise.withResolvers<void>();
    const resume = Promise.withResolvers<void>();
    const stalled = after('sendBatch', kafka, async () => {
      reached.resolve();
      await resume.promise;
    });
    const warnings: unknown[] = [];
    const zombie = relay({
      kafka: stalled,
      logger: { info: () => undefined, warn: (fields) => warnings.push(fields) },
    });
    await reached.promise;
    expect(await killLeader()).toBe(1);
    relay();
    await published();
    resume.resolve();
    await eventually(() => expect(warnings).toContainEqual(expect.objectContaining({ err: expect.any(Error) })));
    await zombie.stop();
    expect(warnings[0]).toMatchObject({ err: { type: 'INVALID_PRODUCER_EPOCH' } });
    expect(faults(await readTopic(kafka, topic), 100)).toEqual([]);
  });
});

describe('a broker away', () => {
  it('delays events and loses none', async () => {
    const network = cuttableNetwork();
    relay({ kafka: kafkaClient(network.socketFactory) });
    await write(500, { writers: 2 });
    await published();
    network.cut();
    await write(500, { writers: 2 });
    await eventually(async () => expect(await metric('signalbox_outbox_relay_failures_total')).toBeGreaterThan(1));
    expect(await count('outbox')).toBe(500);
    network.mend();
    await published();
    expect(faults(await readTopic(kafka, topic), 1_000)).toEqual([]);
  });
});

describe('rows that become visible while one with a higher id is being published', () => {
  it('are published next', async () => {
    const publishing = Promise.withResolvers<void>();
    const resume = Promise.withResolvers<void>();
    const slow = dataSource.createQueryRunner();
    await slow.startTransaction();
    await outbox.append(slow.manager, [outgoing('slow', 1), outgoing('slow', 2)]);
    await transactor(dataSource)((tx) => outbox.append(tx, [outgoing('fast', 1)]));
    const paused = after('sendBatch', kafka, async () => {
      publishing.resolve();
      await resume.promise;
    });
    relay({ kafka: paused, batchSize: 1 });
    await publishing.promise;
    await slow.commitTransaction();
    await slow.release();
    resume.resolve();
    await published();
    expect(faults(await readTopic(kafka, topic), 3)).toEqual([]);
  });
});

describe('events that come one by one', () => {
  it('are gathered, except for the first', async () => {
    const before = (await metric('signalbox_outbox_published_total')) ?? 0;
    let sent = 0;
    const counted = after('sendBatch', kafka, async () => void sent++);
    const gathering = relay({ kafka: counted, gatherMs: 3_600_000 });
    const transact = transactor(dataSource, () => gathering.nudge());
    await transact((tx) => outbox.append(tx, [outgoing('a', 1)]));
    await eventually(async () => expect(await metric('signalbox_outbox_published_total')).toBe(before + 1));
    for (const sequence of [2, 3, 4]) await transact((tx) => outbox.append(tx, [outgoing('a', sequence)]));
    await gathering.stop();
    expect(sent).toBe(1);
    relay({ kafka: counted });
    await published();
    expect(sent).toBe(2);
    expect(faults(await readTopic(kafka, topic), 4)).toEqual([]);
  });
});

describe('a record', () => {
  it('is the event in binary mode, byte for byte', async () => {
    relay();
    const data = { text: 'quote " brace } backslash \\ null \0 emoji 😀 lone \ud800', empty: [], nothing: null };
    const event = {
      ...outgoing('a', 1).event,
      subject: 'a/1',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      data,
    };
    await transactor(dataSource)((tx) => outbox.append(tx, [{ topic, key: 'ключ', event }]));
    await published();
    expect(await readTopic(kafka, topic)).toEqual([
      {
        key: 'ключ',
        value: data,
        headers: {
          ce_specversion: '1.0',
          ce_id: event.id,
          ce_source: event.source,
          ce_type: event.type,
          ce_time: event.time,
          ce_subject: 'a/1',
          traceparent: event.traceparent,
          'content-type': 'application/json',
        },
      },
    ]);
  });

  it('carries the trace it was made in, when the event names none', async () => {
    relay();
    const traceparent = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
    propagation.setGlobalPropagator({
      inject: (_, carrier, setter) => setter.set(carrier, 'traceparent', traceparent),
      extract: (active) => active,
      fields: () => ['traceparent'],
    });
    await transactor(dataSource)((tx) => outbox.append(tx, [outgoing('a', 1)]));
    propagation.disable();
    await published();
    expect(await readTopic(kafka, topic)).toMatchObject([{ headers: { traceparent } }]);
  });

  it('too large for any broker is refused where it is made', async () => {
    const event = { ...outgoing('a', 1).event, data: 'x'.repeat(1_000_000) };
    await expect(transactor(dataSource)((tx) => outbox.append(tx, [{ topic, key: 'a', event }]))).rejects.toThrow(
      /spec.happened.v1 .* has 1000003 bytes/,
    );
  });

  it('of many large ones is split over batches a broker takes, one right after the other', async () => {
    const events = Array.from({ length: 40 }, (_, index) => outgoing('large', index + 1, 'x'.repeat(100_000)));
    await transactor(dataSource)((tx) => outbox.append(tx, events));
    const hour = 3_600_000;
    relay({ pollMs: hour, gatherMs: hour });
    await published();
    expect(faults(await readTopic(kafka, topic), 40)).toEqual([]);
  });
});

describe('metrics', () => {
  it('say who leads and how much was published', async () => {
    const before = (await metric('signalbox_outbox_published_total')) ?? 0;
    const leader = relay();
    await write(10, { writers: 1 });
    await published();
    expect(await metric('signalbox_outbox_relay_leader')).toBe(1);
    expect(await metric('signalbox_outbox_published_total')).toBe(before + 10);
    await leader.stop();
    expect(await metric('signalbox_outbox_relay_leader')).toBe(0);
  });

  it('say how much waits, and for how long', async () => {
    await write(30, { writers: 1 });
    // Cannot lead, so that the events keep waiting.
    const network = cuttableNetwork();
    network.cut();
    relay({ kafka: kafkaClient(network.socketFactory) });
    await eventually(async () => expect(await metric('signalbox_outbox_pending')).toBe(30));
    expect(await metric('signalbox_outbox_oldest_seconds')).toBeGreaterThan(0);
    await dataSource.query('truncate outbox');
  });
});

function relay(options: Partial<OutboxRelayOptions> = {}): OutboxRelay {
  const started = new OutboxRelay({ dataSource, kafka, name: 'spec', ...options });
  relays.push(started);
  started.start();
  return started;
}

function kafkaClient(socketFactory?: ISocketFactory): Kafka {
  return new Kafka({
    brokers: broker.brokers,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 5 },
    ...(socketFactory && { socketFactory }),
  });
}

function outgoing(key: string, sequence: number, padding = ''): OutgoingEvent {
  const event: CloudEvent = {
    id: `${key}-${sequence}`,
    source: '//signalbox/spec',
    type: 'spec.happened.v1',
    time: '2026-11-24T18:00:00.123Z',
    data: { sequence, padding },
  };
  return { topic, key, event };
}

/** Transactions that each move one to three aggregates by one to three events, under their row locks. */
async function write(total: number, { writers, afterCommit }: { writers: number; afterCommit?: () => void }) {
  const transact = transactor(dataSource, afterCommit);
  let left = total;
  const writer = async () => {
    while (left > 0) {
      const aggregates = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].filter(() => Math.random() < 0.3).slice(0, left);
      const counts = aggregates.map((_, index) =>
        index === 0 ? Math.min(1 + Math.floor(Math.random() * 3), left - aggregates.length + 1) : 1,
      );
      left -= counts.reduce((sum, more) => sum + more, 0);
      await transact(async (tx) => {
        const events: OutgoingEvent[] = [];
        for (const [index, id] of aggregates.entries()) {
          const more = counts[index] ?? 1;
          const { rows } = await run<{ sequence: number }>(
            tx,
            `insert into aggregate values ($1, $2) on conflict (id) do update set sequence = aggregate.sequence + $2 returning sequence`,
            [id, more],
          );
          const last = rows[0]?.sequence ?? 0;
          for (let sequence = last - more + 1; sequence <= last; sequence++) events.push(outgoing(id, sequence));
        }
        await outbox.append(tx, events);
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
}

/** Resolves when nothing waits any more and the last batch is settled. */
async function published(): Promise<void> {
  await eventually(async () => {
    expect(await count('outbox')).toBe(0);
    expect(await dataSource.query(`select batch from outbox_relay`)).toEqual([{ batch: [] }]);
  });
}

/** What is wrong with the sequence of each key, and with the total. */
function faults(records: ReadRecord[], total: number): string[] {
  const found = records.length === total ? [] : [`${records.length} records instead of ${total}`];
  const last = new Map<string, number>();
  for (const { key, value } of records) {
    const { sequence } = value as { sequence: number };
    const expected = (last.get(key) ?? 0) + 1;
    if (sequence !== expected) found.push(`${key}: ${sequence} instead of ${expected}`);
    last.set(key, sequence);
  }
  return found;
}

async function count(table: string): Promise<number> {
  const [row] = await dataSource.query<[{ count: string }]>(`select count(*) from ${table}`);
  return Number(row.count);
}

/** Ends the Postgres session that holds the lead, as a crash of its process would; says how many there were. */
async function killLeader(): Promise<number> {
  const killed = await dataSource.query<unknown[]>(
    `select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = database
     where locktype = 'advisory' and granted and datname = current_database()`,
  );
  return killed.length;
}

async function metric(name: string): Promise<number | undefined> {
  const { values } = (await register.getSingleMetric(name)?.get()) ?? { values: [] };
  return values[0]?.value;
}

function cuttableNetwork() {
  const sockets = new Set<Socket>();
  let down = false;
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect);
    if (down) socket.destroy(new Error('network is cut'));
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  return {
    socketFactory,
    cut() {
      down = true;
      for (const socket of sockets) socket.destroy(new Error('network is cut'));
    },
    mend() {
      down = false;
    },
  };
}
