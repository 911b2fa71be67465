import { afterEach, describe, expect, it } from '@jest/globals';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { createTopic, testKafka } from '@signalbox/testing';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { type Socket, connect } from 'node:net';
import { register } from 'prom-client';
import { byKey, counted, type Fixture, fixture, readTopic, recordingLogger } from '../test/harness.ts';
import { createKafka } from './kafka.ts';
import { EventProducer, PublishTimeout, RecordTooLarge } from './producer.ts';

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

const range = (count: number) => Array.from({ length: count }, (_, n) => n);

async function requestsSent(): Promise<number> {
  const metric = await register.getSingleMetric('signalbox_kafka_produce_seconds')?.get();
  return (
    metric?.values.find((value) => 'metricName' in value && String(value.metricName).endsWith('_count'))?.value ?? 0
  );
}

const written = async (kafka: Kafka, topic: string, count: number) =>
  byKey(
    (await readTopic(kafka, topic, count)).map(({ key, value }) => ({
      key: String(key),
      n: (JSON.parse(String(value)) as { n: number }).n,
    })),
  );

describe('EventProducer', () => {
  it('sends what concurrent callers publish in few requests, in order per key', async () => {
    const { kafka, topic, producer } = await given('group');
    const before = await requestsSent();
    const keys = range(10).map((k) => `key-${k}`);
    await Promise.all(range(200).flatMap((n) => keys.map((key) => producer.publish(topic, counted(key, n)))));
    expect((await requestsSent()) - before).toBe(2);
    expect(await written(kafka, topic.name, 2000)).toEqual(Object.fromEntries(keys.map((key) => [key, range(200)])));
  });

  it('splits requests by bytes, and refuses a record that is too large without touching its neighbours', async () => {
    const { kafka, topic, producer } = await given('large');
    const large = (n: number, size: number) => ({
      key: 'k',
      event: { ...counted('k', n).event, data: { n, filler: 'x'.repeat(size) } },
    });
    const results = await Promise.allSettled([
      producer.publish(topic, large(0, 700_000)),
      producer.publish(topic, large(1, 5_000_000)),
      producer.publish(topic, large(2, 700_000)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: expect.any(RecordTooLarge) as unknown });
    expect(await written(kafka, topic.name, 2)).toEqual({ k: [0, 2] });
  });

  it('rejects only the record the broker finds too large', async () => {
    const { kafka, topic, producer } = await given('limit');
    const name = 'small-' + topic.name;
    await createTopic(kafka, {
      topic: name,
      numPartitions: 1,
      configEntries: [{ name: 'max.message.bytes', value: '2000' }],
    });
    const results = await Promise.allSettled(
      range(7).map((n) =>
        producer.send(name, [{ key: 'k', value: JSON.stringify({ n, x: 'x'.repeat(n === 4 ? 3000 : 1) }) }]),
      ),
    );
    expect(results.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([4]);
    expect(await written(kafka, name, 6)).toEqual({ k: [0, 1, 2, 3, 5, 6] });
  });

  it('gives an event the active trace, and leaves one it has already', async () => {
    const { kafka, topic, producer } = await given('trace');
    const spanContext = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
    const own = '00-11111111111111111111111111111111-2222222222222222-01';
    // Without an SDK there is no context manager, so the active context is put in place by hand.
    const active = { ...context, active: () => trace.setSpanContext(ROOT_CONTEXT, spanContext) };
    const global = {
      active: () => active.active(),
      with: () => undefined,
      bind: () => undefined,
      enable: () => global,
      disable: () => global,
    };
    context.setGlobalContextManager(global as never);
    try {
      const a = counted('a', 1);
      await producer.publish(topic, a);
      await producer.publish(topic, { key: 'a', event: { ...a.event, traceparent: own } });
    } finally {
      context.disable();
    }
    const messages = await readTopic(kafka, topic.name, 2);
    expect(messages.map(({ headers }) => String(headers?.['traceparent']))).toEqual([
      `00-${spanContext.traceId}-${spanContext.spanId}-01`,
      own,
    ]);
  });

  it('rejects in time when there is no broker, and is not ready', async () => {
    const kafka = createKafka({ brokers: ['127.0.0.1:1'], clientId: 'away' }, recordingLogger());
    const producer = new EventProducer(kafka, { timeoutMs: 200 });
    await expect(producer.publish('t', counted('a', 1))).rejects.toThrow(PublishTimeout);
    expect(producer.ready()).toBe(false);
    await producer.disconnect();
  });

  it('does not let the broker take new records for repeats of ones whose answer was lost', async () => {
    const { kafka, topic } = await given('lost');
    const line = new Line();
    const cutOff = new Kafka({
      brokers: testKafka().brokers,
      clientId: 'cut-off',
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20, retries: 1 },
      socketFactory: line.socketFactory,
    });
    const producer = new EventProducer(cutOff, { timeoutMs: 1_000 });
    await producer.publish(topic, counted('a', 0));
    line.cutAfterRequest();
    await expect(producer.publish(topic, counted('a', 1))).rejects.toThrow(PublishTimeout);
    line.mend();
    await producer.connect();
    await producer.publish(topic, counted('a', 2));
    await producer.disconnect();
    // The first is there because its request had reached the broker: in doubt for the caller, not lost.
    expect(await written(kafka, topic.name, 3)).toEqual({ a: [0, 1, 2] });
  });
});

describe('compressed batches of other clients', () => {
  it.each([
    ['gzip', CompressionTypes.GZIP],
    ['snappy', CompressionTypes.Snappy],
    ['zstd', CompressionTypes.ZSTD],
  ] as const)('reads %s', async (_name, compression) => {
    const { kafka, topic } = await given('codec');
    const producer = kafka.producer();
    await producer.connect();
    const messages = range(100).map((n) => ({ key: 'k', value: JSON.stringify({ n }) }));
    await producer.send({ topic: topic.name, messages, compression });
    await producer.disconnect();
    expect(await written(kafka, topic.name, 100)).toEqual({ k: range(100) });
  });
});

/** A connection the test cuts: requests still reach the broker, answers do not come back, and nobody gets a new line. */
class Line {
  #cut = false;
  readonly #sockets = new Set<Socket>();

  readonly socketFactory = ({
    host,
    port,
    onConnect,
  }: {
    host: string;
    port: number;
    onConnect: () => void;
  }): Socket => {
    const socket = connect(this.#cut ? { host: '127.0.0.1', port: 1 } : { host, port }, onConnect);
    this.#sockets.add(socket);
    return socket;
  };

  cutAfterRequest(): void {
    this.#cut = true;
    for (const socket of this.#sockets) {
      const emit = socket.emit.bind(socket);
      socket.emit = (event: string, ...args: unknown[]) => {
        if (event !== 'data') return emit(event, ...args);
        socket.destroy(Object.assign(new Error('cut'), { code: 'ECONNRESET' }));
        return true;
      };
    }
  }

  mend(): void {
    this.#cut = false;
  }
}
