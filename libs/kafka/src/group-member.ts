import type { Topic } from '@signalbox/contracts';
import type { Consumer, EachBatchPayload, Kafka, Logger } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JointDelivery } from './joint-delivery.ts';
import { ownNamespace } from './logger.ts';
import { consumerLag } from './metrics.ts';
import { OffsetCommits } from './offset-commits.ts';
import { consumePartition, type PartitionConsumerOptions } from './partition-consumer.ts';
import { backoffMs } from './retry.rules.ts';

export interface GroupMemberOptions extends Pick<
  PartitionConsumerOptions,
  'groupId' | 'maxBatch' | 'policy' | 'producer' | 'random'
> {
  readonly kafka: Kafka;
  readonly topics: readonly Topic[];
  readonly sessionTimeoutMs: number;
  readonly deliveryOf: (topic: Topic) => JointDelivery;
  readonly onFatal: (error: Error) => void;
}

/** One kafkajs consumer: reads its topics as a member of a group, from joining to leaving. */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #consumer: Consumer;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #commits = new OffsetCommits();
  readonly #deliveries: ReadonlyMap<string, { topic: Topic; delivery: JointDelivery }>;
  #started: Promise<void> = Promise.resolve();
  #lastContact = 0;

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#log = options.kafka.logger().namespace(ownNamespace);
    this.#deliveries = new Map(
      options.topics.map((topic) => [topic.name, { topic, delivery: options.deliveryOf(topic) }]),
    );
    this.#consumer = options.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: this.#heartbeatMs,
      allowAutoTopicCreation: false,
      // An idle fetch is what a stop has to wait for.
      maxWaitTimeInMs: 500,
      // kafkajs would start a consumer again that crashed while it was being stopped.
      retry: { retries: 10, restartOnFailure: async () => !this.#stopping.signal.aborted },
    });
  }

  get consumer(): Consumer {
    return this.#consumer;
  }

  /** In the group, and in contact with the brokers within the session timeout. */
  ready(): boolean {
    return this.#lastContact + this.#options.sessionTimeoutMs > Date.now();
  }

  /** A broker that is away is waited for in the background. */
  start(): void {
    this.#watch();
    this.#started = this.#start().catch((error: unknown) =>
      this.#fatal(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Lets running batches finish and commit, then leaves the group. */
  async close(): Promise<void> {
    this.#stopping.abort();
    // kafkajs ignores a stop while it is joining, and would go on consuming afterwards.
    await this.#started;
    await this.#consumer.disconnect();
    this.#lastContact = 0;
  }

  get #heartbeatMs(): number {
    return Math.ceil(this.#options.sessionTimeoutMs / 6);
  }

  async #start(): Promise<void> {
    const topics = this.#options.topics.map(({ name }) => name);
    for (let failures = 1; !this.#stopping.signal.aborted; failures++) {
      try {
        await this.#consumer.connect();
        await this.#consumer.subscribe({ topics, fromBeginning: true });
        break;
      } catch (error) {
        if (failures % 10 === 1)
          this.#log.warn('consumer waits for brokers and topics', { topics, error: String(error) });
        const waitMs = backoffMs({ ...this.#options.policy, maxMs: 1_000 }, failures, Math.random());
        await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    if (this.#stopping.signal.aborted) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      // All that was fetched is begun at once, so that it can be delivered together.
      partitionsConsumedConcurrently: this.#options.topics.reduce((sum, { partitions }) => sum + partitions, 0),
      eachBatch: (payload) => this.#consume(payload),
    });
  }

  #watch(): void {
    const { events } = this.#consumer;
    const contact = () => {
      this.#lastContact = Date.now();
    };
    for (const event of [events.GROUP_JOIN, events.HEARTBEAT, events.FETCH]) this.#consumer.on(event, contact);
    this.#consumer.on(events.GROUP_JOIN, ({ payload }) => this.#forgetLag(payload.memberAssignment));
    this.#consumer.on(events.CRASH, ({ payload: { error, restart } }) => {
      this.#lastContact = 0;
      if (restart) this.#log.warn('consumer starts again', { error: error.message });
      else this.#fatal(error);
    });
  }

  /** The lag of a partition that another member has now is no longer ours to tell. */
  #forgetLag(assignment: Readonly<Record<string, number[]>>): void {
    for (const { name: topic, partitions } of this.#options.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        if (!assignment[topic]?.includes(partition)) consumerLag.remove({ topic, partition: String(partition) });
      }
    }
  }

  #fatal(error: Error): void {
    if (!this.#stopping.signal.aborted) this.#options.onFatal(error);
  }

  async #consume(payload: EachBatchPayload): Promise<void> {
    const found = this.#deliveries.get(payload.batch.topic);
    if (!found) throw new Error(`${payload.batch.topic} is not subscribed to`);
    await consumePartition(payload, {
      ...this.#options,
      ...found,
      commits: this.#commits,
      heartbeatMs: this.#heartbeatMs,
      stopping: this.#stopping.signal,
      log: this.#log,
    });
  }
}
