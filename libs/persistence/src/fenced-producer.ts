import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, Partitioners, type Producer, type TopicMessages, type Transaction } from 'kafkajs';
import { failpoints } from './failpoint.ts';
import type { OutboxRow } from './relay-session.ts';

/**
 * A transactional Kafka producer of which only the newest with the same id can commit. A failed call leaves it useless:
 * disconnect it and open another, which settles what the first left behind.
 */
export class FencedProducer {
  readonly #kafka: Pick<Kafka, 'admin'>;
  readonly #producer: Producer;
  readonly #id: string;

  private constructor(kafka: Pick<Kafka, 'admin'>, producer: Producer, id: string) {
    this.#kafka = kafka;
    this.#producer = producer;
    this.#id = id;
  }

  /** Once this resolves, earlier producers of this id are fenced and their last transaction is committed or aborted, whole. */
  static async open(kafka: Pick<Kafka, 'producer' | 'admin'>, id: string): Promise<FencedProducer> {
    const producer = kafka.producer({
      transactionalId: id,
      // How long a dead leader without a successor can hold back consumers at its open transaction.
      transactionTimeout: 15_000,
      allowAutoTopicCreation: false,
      // As all that is published elsewhere: one key, one partition.
      createPartitioner: Partitioners.DefaultPartitioner,
      maxInFlightRequests: 1,
      // kafkajs's own retry loses records when a partition's leader moves to a broker that has already answered.
      retry: { retries: 0 },
    });
    await producer.connect();
    try {
      // kafkajs asks for the producer id, which is what fences, when the first transaction begins; an empty one is not sent.
      await (await producer.transaction()).abort();
    } catch (error) {
      await producer.disconnect();
      throw error;
    }
    return new FencedProducer(kafka, producer, id);
  }

  /** Publishes rows in their order and remembers `token`, both or neither. */
  async publish(rows: readonly OutboxRow[], token: string): Promise<void> {
    const transaction = await this.#producer.transaction();
    const topicMessages = byTopic(rows);
    const [first] = topicMessages;
    if (!first) return;
    const remembered = { partition: 0, offset: '0', metadata: token };
    await retryWhileFinishing(transaction, {
      consumerGroupId: this.#id,
      topics: [{ topic: first.topic, partitions: [remembered] }],
    });
    await transaction.sendBatch({ acks: -1, topicMessages });
    failpoints.reached('outbox.produced');
    await transaction.commit();
  }

  /** Whether the batch with this token was published, by whichever producer of this id. */
  async remembers(token: string): Promise<boolean> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const offsets = await admin.fetchOffsets({ groupId: this.#id });
      return offsets.some(({ partitions }) => partitions.some(({ metadata }) => metadata === token));
    } finally {
      await admin.disconnect();
    }
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }
}

/**
 * The broker refuses to begin a transaction for the moment in which it still writes the commit markers of the last. The token goes first
 * because, unlike a produce request to several brokers, it can be repeated as a whole.
 */
async function retryWhileFinishing(
  transaction: Transaction,
  offsets: Parameters<Transaction['sendOffsets']>[0],
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction.sendOffsets(offsets);
    } catch (error) {
      const finishing = error instanceof Error && 'type' in error && error.type === 'CONCURRENT_TRANSACTIONS';
      if (!finishing || attempt === 500) throw error;
      await sleep(Math.min(attempt * 2, 20));
    }
  }
}

function byTopic(rows: readonly OutboxRow[]): TopicMessages[] {
  const topics = Map.groupBy(rows, (row) => row.topic);
  return [...topics].map(([topic, messages]) => ({
    topic,
    messages: messages.map(({ key, value, headers }) => ({ key, value, headers })),
  }));
}
