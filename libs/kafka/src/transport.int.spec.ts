import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import type { EachBatchPayload, Kafka } from 'kafkajs';
import { byKey, counted, type Fixture, fixture, type Handle } from '../test/harness.ts';
import { RejectRecord } from './batch.ts';

let open: Fixture[] = [];
async function given(label: string): Promise<Fixture> {
  const made = await fixture(label);
  open.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(open.map((made) => made.close()));
  open = [];
});

const write: Handle = async (batch, tx) => void tx.push(...batch.map(({ key, event }) => ({ key, n: event.data.n })));

const range = (count: number) => Array.from({ length: count }, (_, n) => n);

/** A promise and its end, for a handler the test holds. */
function gate() {
  return Promise.withResolvers<void>();
}

class DatabaseAway extends Error {}
const isTransient = (error: unknown) => error instanceof DatabaseAway;

describe('BatchTransport', () => {
  it('hands over batches, in order per key, over all partitions', async () => {
    const { topic, producer, member, committed, offsets } = await given('order');
    const keys = range(20).map((k) => `key-${k}`);
    await producer.publishAll(
      topic,
      range(50).flatMap((n) => keys.map((key) => counted(key, n))),
    );
    const sizes: number[] = [];
    await member(
      async (batch, tx) => {
        sizes.push(batch.size);
        await write(batch, tx);
      },
      { maxBatch: 100 },
    );
    await eventually(() => expect(committed).toHaveLength(1000));
    expect(byKey(committed)).toEqual(Object.fromEntries(keys.map((key) => [key, range(50)])));
    expect(Math.max(...sizes)).toBe(100);
    await eventually(async () => expect((await offsets()).reduce((sum, n) => sum + n)).toBe(1000));
  });

  it('commits an offset only after the transaction; when that fails, the records come again', async () => {
    const { kafka, topic, producer, member, committed, offsets, transact } = await given('commit');
    const duringTransaction: number[] = [];
    let commits = 0;
    const failingOnce = withEachBatch(kafka, (payload, next) =>
      next({
        ...payload,
        commitOffsetsIfNecessary: async (of) => {
          if (commits++ === 0) throw Object.assign(new Error('lost'), { type: 'ILLEGAL_GENERATION' });
          await payload.commitOffsetsIfNecessary(of);
        },
      }),
    );
    await producer.publish(topic, counted('a', 1));
    await member(write, {
      kafka: failingOnce,
      transact: async (work) => {
        await transact(work);
        duringTransaction.push(Math.max(...(await offsets())));
      },
    });
    await eventually(async () => expect(Math.max(...(await offsets()))).toBe(1));
    expect(byKey(committed)).toEqual({ a: [1, 1] });
    expect(duringTransaction).toEqual([-1, -1]);
    expect(commits).toBe(2);
  });

  it('retries a fault of the infrastructure until it is over', async () => {
    const { topic, producer, member, committed, log } = await given('transient');
    const attempts: number[] = [];
    await member(
      async (batch, tx) => {
        attempts.push(...batch.map(({ attempt }) => attempt));
        await write(batch, tx);
        if (attempts.length < 9) throw new DatabaseAway();
      },
      { isTransient },
    );
    await producer.publish(topic, counted('a', 1));
    await eventually(() => expect(committed).toEqual([{ key: 'a', n: 1 }]));
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('isolates poison after its attempts, dead-letters it and keeps the order of the rest', async () => {
    const { topic, producer, member, committed, group, deadLetters, offsets } = await given('poison');
    await producer.publishAll(
      topic,
      range(20).map((n) => counted(n % 2 ? 'odd' : 'even', n)),
    );
    const tries: number[] = [];
    await member(
      async (batch, tx) => {
        await write(batch, tx);
        if (batch.records.some(({ event }) => event.data.n === 7)) {
          tries.push(batch.size);
          throw new TypeError('cannot read +14155550199');
        }
      },
      { retry: { attempts: 3, baseMs: 1 } },
    );
    await eventually(() => expect(committed).toHaveLength(19));
    const odd = range(20).filter((n) => n % 2 && n !== 7);
    expect(byKey(committed)).toEqual({ odd, even: range(20).filter((n) => n % 2 === 0) });

    const [letter] = await deadLetters(1);
    const headers = Object.fromEntries(Object.entries(letter?.headers ?? {}).map(([name, v]) => [name, String(v)]));
    expect(letter?.key?.toString()).toBe('odd');
    expect(letter?.value?.toString()).toBe('{"n":7}');
    expect(headers).toMatchObject({
      ce_id: 'odd-7',
      sb_dlq_reason: 'handler failed: TypeError',
      sb_dlq_topic: topic.name,
      sb_dlq_attempts: String(tries.length),
      sb_dlq_group: group,
    });
    expect(tries.slice(0, 3)).toEqual([tries[0], tries[0], tries[0]]);
    expect(tries.at(-1)).toBe(1);
    await eventually(async () => expect((await offsets()).reduce((sum, n) => sum + Math.max(n, 0), 0)).toBe(20));
  });

  it('dead-letters what a handler rejects, without trying it again', async () => {
    const { topic, producer, member, committed, deadLetters } = await given('reject');
    await producer.publishAll(
      topic,
      range(3).map((n) => counted('a', n)),
    );
    await member(async (batch, tx) => {
      for (const record of batch) if (record.event.data.n === 1) throw new RejectRecord(record, 'unknown tenant');
      await write(batch, tx);
    });
    await eventually(() => expect(byKey(committed)).toEqual({ a: [0, 2] }));
    const [letter] = await deadLetters(1);
    expect(String(letter?.headers?.['sb_dlq_reason'])).toBe('unknown tenant');
    expect(String(letter?.headers?.['sb_dlq_attempts'])).toBe('1');
  });

  it('dead-letters malformed records as they are and goes on', async () => {
    const { topic, producer, member, committed, deadLetters } = await given('malformed');
    const ce = { ce_id: '1', ce_source: '//test', ce_type: 'test.counted.v1' };
    await producer.send(topic.name, [
      { key: 'k', value: 'not json', headers: { ...ce, raw: Buffer.from([0xff, 0]), many: ['a', 'b'] } },
      { key: 'k', value: '{"n":"+14155550199"}', headers: ce },
      { key: 'k', value: '{"n":1}' },
      { key: 'k', value: null, headers: ce },
    ]);
    await producer.publish(topic, counted('k', 5));
    await member(write);
    await eventually(() => expect(committed).toEqual([{ key: 'k', n: 5 }]));
    const letters = await deadLetters(4);
    expect(letters.map(({ headers }) => String(headers?.['sb_dlq_reason']))).toEqual([
      'value is not JSON',
      'n: Invalid input: expected number, received string',
      'missing header ce_id, ce_source, ce_type',
      'value is not JSON',
    ]);
    expect(letters.map(({ value }) => value && value.toString())).toEqual([
      'not json',
      '{"n":"+14155550199"}',
      '{"n":1}',
      null,
    ]);
    expect(letters[0]?.headers).toMatchObject({
      raw: Buffer.from([0xff, 0]),
      many: [Buffer.from('a'), Buffer.from('b')],
    });
    expect(letters.map(({ headers }) => String(headers?.['sb_dlq_offset']))).toEqual(['0', '1', '2', '3']);
  });

  it('loses nothing and keeps order when a second member joins in the middle of work', async () => {
    const { topic, producer, member, committed, log } = await given('rebalance');
    const keys = range(12).map((k) => `key-${k}`);
    const as =
      (name: string): Handle =>
      async (batch, tx) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        tx.push(...batch.map(({ key, event }) => ({ key, n: event.data.n, member: name })));
      };
    const options = { maxBatch: 5, sessionTimeoutMs: 6_000 };
    await member(as('first'), options);
    for (const n of range(20)) {
      await producer.publishAll(
        topic,
        keys.map((key) => counted(key, n)),
      );
    }
    await eventually(() => expect(committed.length).toBeGreaterThan(20));
    await member(as('second'), options);
    let n = 20;
    await eventually(async () => {
      await producer.publishAll(
        topic,
        keys.map((key) => counted(key, n)),
      );
      n++;
      expect(committed.some(({ member: by }) => by === 'second')).toBe(true);
    });
    await eventually(() => expect(new Set(committed.map(({ key, n: of }) => `${key}-${of}`)).size).toBe(12 * n));
    // A redelivered record is a repeat of what came before it, so first sights must be in order.
    const firstSights = Object.entries(byKey(committed)).map(([key, numbers]) => [key, [...new Set(numbers)]]);
    expect(Object.fromEntries(firstSights)).toEqual(Object.fromEntries(keys.map((key) => [key, range(n)])));
    expect(log.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  it('does not let topics wait for each other that are read apart', async () => {
    const { topic, producer, member, committed } = await given('prompt');
    const { topic: slow } = await given('slow');
    const [entered, release] = [gate(), gate()];
    const { transport } = await member(
      async (batch, tx) => {
        if (batch.records[0]?.topic === slow.name) {
          entered.resolve();
          await release.promise;
        }
        await write(batch, tx);
      },
      { apart: { slow: [slow] } },
    );
    await producer.publish(slow, counted('slow', 1));
    await entered.promise;
    await producer.publish(topic, counted('prompt', 1));
    await eventually(() => expect(committed).toEqual([{ key: 'prompt', n: 1 }]));
    release.resolve();
    await eventually(() => expect(byKey(committed)).toEqual({ prompt: [1], slow: [1] }));
    expect(transport.ready()).toBe(true);
  });

  it('applies what several partitions have in one transaction, and commits each of their offsets', async () => {
    const { topic, producer, member, committed, offsets } = await given('joint');
    const keys = range(20).map((k) => `key-${k}`);
    await producer.publishAll(
      topic,
      keys.map((key) => counted(key, 1)),
    );
    const partitions: number[][] = [];
    await member(async (batch, tx) => {
      partitions.push([...new Set(batch.map(({ partition }) => partition))]);
      await write(batch, tx);
    });
    await eventually(() => expect(committed).toHaveLength(20));
    expect(partitions).toEqual([[expect.any(Number), expect.any(Number), expect.any(Number)]]);
    await eventually(async () => expect((await offsets()).reduce((sum, n) => sum + n)).toBe(20));
  });

  it('keeps its partitions while a handler runs for longer than the session timeout', async () => {
    const { topic, producer, member, committed, offsets } = await given('slow');
    const sessionTimeoutMs = 6_000;
    let handled = 0;
    await producer.publish(topic, counted('a', 1));
    await member(
      async (batch, tx) => {
        handled++;
        await new Promise((resolve) => setTimeout(resolve, sessionTimeoutMs + 1_500));
        await write(batch, tx);
      },
      { sessionTimeoutMs },
    );
    await eventually(async () => expect(Math.max(...(await offsets()))).toBe(1));
    expect(committed).toEqual([{ key: 'a', n: 1 }]);
    expect(handled).toBe(1);
  });

  it('finishes and commits the running batch when it is stopped', async () => {
    const { topic, producer, member, committed, offsets } = await given('stop');
    const [entered, release] = [gate(), gate()];
    await producer.publishAll(
      topic,
      range(10).map((n) => counted('a', n)),
    );
    const { close } = await member(
      async (batch, tx) => {
        entered.resolve();
        await release.promise;
        await write(batch, tx);
      },
      { maxBatch: 4 },
    );
    await entered.promise;
    const closed = close();
    release.resolve();
    await closed;
    expect(byKey(committed)).toEqual({ a: [0, 1, 2, 3] });
    expect(Math.max(...(await offsets()))).toBe(4);
  });

  it('stops at once during a back-off', async () => {
    const { topic, producer, member, committed } = await given('backoff');
    const failed = gate();
    await producer.publish(topic, counted('a', 1));
    const { close } = await member(
      async () => {
        failed.resolve();
        throw new DatabaseAway();
      },
      { isTransient, retry: { baseMs: 3_600_000, maxMs: 3_600_000 } },
    );
    await failed.promise;
    await close();
    expect(committed).toEqual([]);
  });

  it('tells when its consumer cannot go on, instead of idling', async () => {
    const { kafka, topic, producer, member } = await given('fatal');
    const broken = withEachBatch(kafka, async () => {
      throw new TypeError('a bug below the handlers');
    });
    const told = Promise.withResolvers<Error>();
    const { transport } = await member(write, { kafka: broken, onFatal: told.resolve });
    await producer.publish(topic, counted('a', 1));
    expect(await told.promise).toMatchObject({ message: 'a bug below the handlers' });
    expect(transport.ready()).toBe(false);
  });

  it('is ready once it is in its group, and not when it has left', async () => {
    const { member } = await given('ready');
    const { transport, close } = await member(write);
    await eventually(() => expect(transport.ready()).toBe(true));
    await close();
    expect(transport.ready()).toBe(false);
  });
});

/** A client whose consumers hand their batches to `around` first. */
function withEachBatch(
  kafka: Kafka,
  around: (payload: EachBatchPayload, next: (payload: EachBatchPayload) => Promise<void>) => Promise<void>,
): Kafka {
  const consumer: Kafka['consumer'] = (config) => {
    const real = kafka.consumer(config);
    const run: typeof real.run = (options) =>
      real.run({ ...options, eachBatch: (payload) => around(payload, async (to) => options?.eachBatch?.(to)) });
    return { ...real, run };
  };
  return { consumer, logger: () => kafka.logger() } as Kafka;
}
