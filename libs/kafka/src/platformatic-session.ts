import {
  type API,
  type Callback,
  compatibilityPartitioner,
  kGetApi,
  ProduceAcks,
  Producer,
  type SASLMechanismValue,
} from '@platformatic/kafka';
import type { Message } from 'kafkajs';
import type { KafkaSettings } from './kafka.ts';
import { leanProduce, type ProduceApi } from './lean-produce.ts';
import type { ProducerSession, TopicMessages } from './producer-session.ts';

/**
 * A session on @platformatic/kafka, which takes about half the CPU per record that kafkajs does; its requests we write ourselves,
 * see ADR 5. It keeps the sequence numbers of a batch over its own retries, and takes a new producer id after a failure.
 */
export function platformaticSession(settings: KafkaSettings): () => ProducerSession {
  return () => new PlatformaticSession(settings);
}

type Bytes = Buffer | string;

class PlatformaticSession implements ProducerSession {
  readonly #producer: LeanProducer;

  constructor({ brokers, clientId, ssl, sasl }: KafkaSettings) {
    this.#producer = new LeanProducer({
      clientId,
      bootstrapBrokers: brokers,
      idempotent: true,
      // As Java's and librdkafka's clients place keyed records.
      partitioner: compatibilityPartitioner,
      // The message itself goes through as its value, to be written with the request.
      serializers: { key: toBytes, value: asItIs, headerKey: toBytes, headerValue: toBytes },
      autocreateTopics: false,
      connectTimeout: 3_000,
      timeout: 5_000,
      retryDelay: 100,
      ...(ssl && { tls: {} }),
      ...(sasl && { sasl: { ...sasl, mechanism: sasl.mechanism.toUpperCase() as SASLMechanismValue } }),
    });
  }

  async connect(): Promise<void> {
    // It would try for ever; whoever opens sessions has a back-off of its own, and can be told to stop.
    await within(connectTimeoutMs, this.#producer.initIdempotentProducer({}), 'no broker');
  }

  async send(topicMessages: TopicMessages, timeoutMs: number): Promise<void> {
    const messages = topicMessages.flatMap(({ topic, messages: of }) =>
      of.map((message) => ({ topic, ...(message.key && { key: message.key }), value: message })),
    );
    await within(timeoutMs, this.#producer.send({ messages, acks: ProduceAcks.ALL }), 'not acknowledged');
  }

  async end(): Promise<void> {
    await this.#producer.close(true);
  }
}

const connectTimeoutMs = 2_000;

async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function toBytes(data?: Bytes): Buffer | undefined {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

const asItIs = (message?: Message) => message as unknown as Buffer;

/** The library's producer, with its connections, metadata, partitions, sequence numbers and retries, but requests of our own. */
class LeanProducer extends Producer<Bytes, Message, string, Bytes> {
  readonly #lean = new Map<unknown, unknown>();

  override [kGetApi]<Arguments extends unknown[], Response>(
    name: string,
    callback: Callback<API<Arguments, Response>>,
  ): void {
    super[kGetApi]<Arguments, Response>(name, (error, api) => {
      if (api && name === 'Produce')
        callback(error, this.#produce(api as unknown as ProduceApi) as unknown as typeof api);
      else callback(error, api);
    });
  }

  #produce(api: ProduceApi): ProduceApi {
    const known = this.#lean.get(api) as ProduceApi | undefined;
    if (known) return known;
    const made = leanProduce(api);
    this.#lean.set(api, made);
    return made;
  }
}
