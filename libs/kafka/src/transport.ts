import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Topic } from '@signalbox/contracts';
import { GroupCommitFull } from '@signalbox/group-commit';
import type { Kafka, Logger } from 'kafkajs';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Batch } from './batch.ts';
import { inBatchSpan } from './batch-span.ts';
import { GroupMember } from './group-member.ts';
import { handlerFaults } from './handler-faults.ts';
import { JointDelivery } from './joint-delivery.ts';
import { isPassing } from './kafka-errors.ts';
import { ownNamespace } from './logger.ts';
import { batchTransport } from './on-batch.ts';
import { type EventProducer, PublishTimeout } from './producer.ts';
import { defaultRetryPolicy, type RetryPolicy } from './retry.rules.ts';

export interface BatchTransportOptions<Tx> {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** Stores dead letters. The transport neither connects nor disconnects it. */
  readonly producer: Pick<EventProducer, 'send'>;
  /** The subscriptions this service declares; each needs exactly one `@OnBatch` handler. */
  readonly topics: readonly Topic[];
  /**
   * More of them, by the name of a consumer of their own in the group `<groupId>.<name>`. A consumer fetches again only when
   * all it has fetched is done: topics that must not wait for each other belong to different ones.
   */
  readonly apart?: Readonly<Record<string, readonly Topic[]>>;
  /** Commits what `work` did for records of the topic when it resolves, rolls it back when it rejects. */
  readonly transact: (work: (tx: Tx) => Promise<void>, topic: Topic) => Promise<void>;
  /** Whether an error is the infrastructure's fault and so retried for ever. Kafka's passing errors always are. */
  readonly isTransient?: (error: unknown) => boolean;
  readonly retry?: Partial<RetryPolicy>;
  /** Records in one transaction. Default 500. */
  readonly maxBatch?: number;
  /** Transactions at once, for each topic. Default 3. */
  readonly concurrency?: number;
  /**
   * Milliseconds from the start of one transaction of a topic to that of the next, at least, unless there are records enough to fill
   * it: a steady trickle would else be as many transactions as records. A lone record waits for nothing. Default 10.
   */
  readonly gatherMs?: number;
  /**
   * A member that is silent for longer loses its partitions, in milliseconds. It is also how long they wait after a member
   * was killed. Default 10 000.
   */
  readonly sessionTimeoutMs?: number;
  /** Called when a consumer cannot go on. Default: logs it and ends the process, which Kubernetes starts again. */
  readonly onFatal?: (error: Error) => void;
}

/**
 * Nest transport that hands handlers the records of a topic in batches, each in one transaction; commits offsets after
 * that transaction; retries, isolates and dead-letters around it.
 */
export class BatchTransport<Tx> extends Server implements CustomTransportStrategy {
  override readonly transportId = batchTransport;
  readonly #options: BatchTransportOptions<Tx>;
  readonly #policy: RetryPolicy;
  readonly #members: readonly GroupMember[];
  readonly #log: Logger;

  constructor(options: BatchTransportOptions<Tx>) {
    super();
    this.#options = options;
    this.#policy = { ...defaultRetryPolicy, ...options.retry };
    this.#log = options.kafka.logger().namespace(ownNamespace);
    const apart = Object.entries(options.apart ?? {});
    this.#members = [
      this.#member(options.groupId, options.topics),
      ...apart.map(([name, topics]) => this.#member(`${options.groupId}.${name}`, topics)),
    ];
  }

  /** Every consumer in its group, and in contact with the brokers within the session timeout. */
  ready(): boolean {
    return this.#members.every((member) => member.ready());
  }

  /** Answers as soon as the handlers are found to be in order; a broker that is away is waited for in the background. */
  listen(callback: (error?: Error) => void): void {
    const { groupId, topics, apart = {} } = this.#options;
    const faults = handlerFaults([...topics, ...Object.values(apart).flat()], this.messageHandlers);
    if (faults.length > 0) {
      callback(new Error(`subscriptions of ${groupId}: ${faults.join('; ')}`));
      return;
    }
    for (const member of this.#members) member.start();
    callback();
  }

  /** Lets running batches finish and commit, then leaves the groups. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }

  on(): never {
    throw new Error('BatchTransport has no events to listen to');
  }

  /** The kafkajs consumers. */
  unwrap<T>(): T {
    return this.#members.map(({ consumer }) => consumer) as T;
  }

  #member(groupId: string, topics: readonly Topic[]): GroupMember {
    const {
      kafka,
      producer,
      maxBatch = 500,
      concurrency = 3,
      gatherMs = 10,
      sessionTimeoutMs = 10_000,
    } = this.#options;
    return new GroupMember({
      kafka,
      groupId,
      topics,
      producer,
      maxBatch,
      sessionTimeoutMs,
      policy: this.#policy,
      random: Math.random,
      deliveryOf: (topic) =>
        new JointDelivery({
          topic: topic.name,
          apply: (batch) => this.#apply(topic, groupId, batch),
          policy: this.#policy,
          isTransient: (error) => this.#isTransient(error),
          random: Math.random,
          maxBatch,
          concurrency,
          gatherMs,
          log: this.#log,
        }),
      onFatal: (error) => this.#fatal(error),
    });
  }

  #fatal(error: Error): void {
    if (this.#options.onFatal) {
      this.#options.onFatal(error);
      return;
    }
    this.#log.error('consumer cannot go on', { err: error });
    process.exit(1);
  }

  async #apply(topic: Topic, groupId: string, batch: Batch): Promise<void> {
    const handler: MessageHandler | undefined = this.messageHandlers.get(topic.name);
    if (!handler) throw new Error(`no handler for ${topic.name}`);
    await inBatchSpan(batch, { topic: topic.name, groupId }, () =>
      this.#options.transact(async (tx) => {
        const result: unknown = await handler(batch, tx);
        // Nest makes an Observable of it when there are interceptors.
        if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      }, topic),
    );
  }

  #isTransient(error: unknown): boolean {
    // What a handler publishes itself may find no broker either.
    if (isPassing(error) || error instanceof PublishTimeout || error instanceof GroupCommitFull) return true;
    return this.#options.isTransient?.(error) ?? false;
  }
}
