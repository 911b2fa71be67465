import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Topic } from '@signalbox/contracts';
import { GroupCommitFull } from '@signalbox/group-commit';
import type { Consumer, EachBatchPayload, Kafka, Logger } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Batch } from './batch.ts';
import { inBatchSpan } from './batch-span.ts';
import { handlerFaults } from './handler-faults.ts';
import { isPassing } from './kafka-errors.ts';
import { ownNamespace } from './logger.ts';
import { batchTransport } from './on-batch.ts';
import { consumerLag } from './metrics.ts';
import { consumePartition } from './partition-consumer.ts';
import { type EventProducer, PublishTimeout } from './producer.ts';
import { backoffMs, defaultRetryPolicy, type RetryPolicy } from './retry.rules.ts';

export interface BatchTransportOptions<Tx> {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** Stores dead letters. The transport neither connects nor disconnects it. */
  readonly producer: Pick<EventProducer, 'send'>;
  /** The subscriptions this service declares; each needs exactly one `@OnBatch` handler. */
  readonly topics: readonly Topic[];
  /** Commits what `work` did when it resolves, rolls it back when it rejects. */
  readonly transact: (work: (tx: Tx) => Promise<void>) => Promise<void>;
  /** Whether an error is the infrastructure's fault and so retried for ever. Kafka's passing errors always are. */
  readonly isTransient?: (error: unknown) => boolean;
  readonly retry?: Partial<RetryPolicy>;
  /** Records in one transaction. Default 500. */
  readonly maxBatch?: number;
  /** Partitions worked on at once. Default 3. */
  readonly concurrency?: number;
  /**
   * A member that is silent for longer loses its partitions, in milliseconds. It is also how long they wait after a member
   * was killed. Default 10 000.
   */
  readonly sessionTimeoutMs?: number;
  /** Called when the consumer cannot go on. Default: logs it and ends the process, which Kubernetes starts again. */
  readonly onFatal?: (error: Error) => void;
}

/**
 * Nest transport that hands handlers the records of a partition in batches, each in one transaction; commits offsets after
 * that transaction; retries, isolates and dead-letters around it.
 */
export class BatchTransport<Tx> extends Server implements CustomTransportStrategy {
  override readonly transportId = batchTransport;
  readonly #options: BatchTransportOptions<Tx>;
  readonly #policy: RetryPolicy;
  readonly #sessionTimeoutMs: number;
  readonly #consumer: Consumer;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  #started: Promise<void> = Promise.resolve();
  #lastContact = 0;

  constructor(options: BatchTransportOptions<Tx>) {
    super();
    this.#options = options;
    this.#policy = { ...defaultRetryPolicy, ...options.retry };
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.#log = options.kafka.logger().namespace(ownNamespace);
    this.#consumer = options.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: this.#sessionTimeoutMs,
      heartbeatInterval: this.#heartbeatMs,
      allowAutoTopicCreation: false,
      // An idle fetch is what a stop has to wait for.
      maxWaitTimeInMs: 500,
      // kafkajs would start a consumer again that crashed while it was being stopped.
      retry: { retries: 10, restartOnFailure: async () => !this.#stopping.signal.aborted },
    });
  }

  /** In the group, and in contact with the brokers within the session timeout. */
  ready(): boolean {
    return this.#lastContact + this.#sessionTimeoutMs > Date.now();
  }

  /** Answers as soon as the handlers are found to be in order; a broker that is away is waited for in the background. */
  listen(callback: (error?: Error) => void): void {
    const faults = handlerFaults(this.#options.topics, this.messageHandlers);
    if (faults.length > 0) {
      callback(new Error(`subscriptions of ${this.#options.groupId}: ${faults.join('; ')}`));
      return;
    }
    this.#watch();
    this.#started = this.#start().catch((error: unknown) =>
      this.#fatal(error instanceof Error ? error : new Error(String(error))),
    );
    callback();
  }

  /** Lets running batches finish and commit, then leaves the group. */
  async close(): Promise<void> {
    this.#stopping.abort();
    // kafkajs ignores a stop while it is joining, and would go on consuming afterwards.
    await this.#started;
    await this.#consumer.disconnect();
    this.#lastContact = 0;
  }

  on(): never {
    throw new Error('BatchTransport has no events to listen to');
  }

  unwrap<T>(): T {
    return this.#consumer as T;
  }

  get #heartbeatMs(): number {
    return Math.ceil(this.#sessionTimeoutMs / 6);
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
        const waitMs = backoffMs({ ...this.#policy, maxMs: 1_000 }, failures, Math.random());
        await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    if (this.#stopping.signal.aborted) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.concurrency ?? 3,
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
    if (this.#stopping.signal.aborted) return;
    if (this.#options.onFatal) {
      this.#options.onFatal(error);
      return;
    }
    this.#log.error('consumer cannot go on', { err: error });
    process.exit(1);
  }

  async #consume(payload: EachBatchPayload): Promise<void> {
    const topic = this.#options.topics.find(({ name }) => name === payload.batch.topic);
    const handler = this.messageHandlers.get(payload.batch.topic);
    if (!topic || !handler) throw new Error(`no handler for ${payload.batch.topic}`);
    await consumePartition(payload, {
      topic,
      groupId: this.#options.groupId,
      maxBatch: this.#options.maxBatch ?? 500,
      heartbeatMs: this.#heartbeatMs,
      policy: this.#policy,
      producer: this.#options.producer,
      stopping: this.#stopping.signal,
      log: this.#log,
      apply: (batch, partition) => this.#apply(handler, topic, batch, partition),
      isTransient: (error) => this.#isTransient(error),
      random: Math.random,
    });
  }

  async #apply(handler: MessageHandler, topic: Topic, batch: Batch, partition: number): Promise<void> {
    await inBatchSpan(batch, { topic: topic.name, partition, groupId: this.#options.groupId }, () =>
      this.#options.transact(async (tx) => {
        const result: unknown = await handler(batch, tx);
        // Nest makes an Observable of it when there are interceptors.
        if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      }),
    );
  }

  #isTransient(error: unknown): boolean {
    // What a handler publishes itself may find no broker either.
    if (isPassing(error) || error instanceof PublishTimeout || error instanceof GroupCommitFull) return true;
    return this.#options.isTransient?.(error) ?? false;
  }
}
