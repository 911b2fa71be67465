import kafkajs, { type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing } from './kafka-errors.ts';
import type { ProducerSession, TopicMessages } from './producer-session.ts';

/**
 * One idempotent kafkajs producer, from its producer id to the first send it has to give up.
 *
 * kafkajs takes back the sequence numbers of what failed, also when the broker had stored it and only the answer was lost.
 * The same records may be sent again under them, and the broker drops the repeat; other records would be dropped as
 * well, and be acknowledged. So a session tries one send until it is acknowledged, or ends with it.
 */
export class KafkajsSession implements ProducerSession {
  readonly #producer: Producer;
  /** Where each message of the current send goes: a repeat has to go to the same partition. */
  #targets = new Map<Message, { topic: string; partition: number }>();
  #sending: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(kafka: Pick<Kafka, 'producer'>) {
    this.#producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: this.#partitioner,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 10 },
    });
  }

  /** As Java's and librdkafka's murmur2 partitioners place keyed records. kafkajs asks again at every try. */
  readonly #partitioner = () => {
    const place = Partitioners.DefaultPartitioner();
    return (...[record]: Parameters<typeof place>): number => {
      if (this.#ended) throw new kafkajs.KafkaJSNonRetriableError('the producer session has ended');
      const known = this.#targets.get(record.message);
      if (known) return known.partition;
      const partition = place(record);
      this.#targets.set(record.message, { topic: record.topic, partition });
      return partition;
    };
  };

  async connect(): Promise<void> {
    await this.#producer.connect();
  }

  /** Resolves when every record is acknowledged by all in-sync replicas. After a rejection the session must be ended. */
  async send(topicMessages: TopicMessages, timeoutMs: number): Promise<void> {
    this.#targets = new Map();
    const timer = new AbortController();
    const sending = this.#untilAcknowledged(topicMessages, timer.signal);
    this.#sending = sending.catch(() => undefined);
    const timeout = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`not acknowledged within ${timeoutMs} ms`);
    });
    try {
      await Promise.race([sending, timeout]);
    } finally {
      timer.abort();
    }
  }

  /** Nothing is sent any more, not even by a retry that is under way; then the connections are closed. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#sending;
    await this.#producer.disconnect();
  }

  /** kafkajs gives up early on brokers that refuse connections, however many retries it is granted. */
  async #untilAcknowledged(topicMessages: TopicMessages, timedOut: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const acknowledged = await this.#producer.sendBatch({ acks: -1, topicMessages });
        this.#requireAll(acknowledged);
        return;
      } catch (error) {
        if (this.#ended || timedOut.aborted || !isPassing(error)) throw error;
        await sleep(100 + Math.random() * 200);
      }
    }
  }

  /** When a leader moves during a retry, kafkajs may skip its partition and still resolve. */
  #requireAll(acknowledged: readonly { topicName: string; partition: number }[]): void {
    const partitions = new Set(acknowledged.map(({ topicName, partition }) => `${topicName}/${partition}`));
    const missing = [...this.#targets.values()].find(
      ({ topic, partition }) => !partitions.has(`${topic}/${partition}`),
    );
    if (missing) throw new Error(`${missing.topic}/${missing.partition} was not acknowledged`);
  }
}
