import { GroupCommit } from '@signalbox/group-commit';
import type { Logger } from 'kafkajs';
import type { Batch, BatchRecord } from './batch.ts';
import { type DeadRecord, deliver, type Delivery } from './deliver.ts';
import type { Membership } from './membership.ts';
import { batchSize, retries } from './metrics.ts';

export interface JointDeliveryOptions extends Pick<Delivery, 'policy' | 'isTransient' | 'random'> {
  readonly topic: string;
  /** Runs the topic's handler in one transaction. */
  readonly apply: (batch: Batch) => Promise<void>;
  /** Records in one transaction. */
  readonly maxBatch: number;
  /** Transactions at once. */
  readonly concurrency: number;
  /** Milliseconds between the starts of transactions that are not full, at least. */
  readonly gatherMs: number;
  readonly log: Logger;
}

/**
 * Consecutive records of one partition, read when it is their turn. Of all that was fetched most has to wait for that; if it waited
 * read, the garbage collector would copy it about meanwhile.
 */
export interface Chunk {
  readonly size: number;
  readonly read: () => readonly BatchRecord[];
}

/** A chunk, and what tells when its partition is being given up. */
interface Part {
  readonly chunk: Chunk;
  readonly membership: Pick<Membership, 'wait'>;
}

/**
 * Applies the records of a topic, those of several partitions in one transaction when they are there at the same time: a
 * steady trickle over many partitions would otherwise be as many small transactions, one waiting for the other.
 */
export class JointDelivery {
  readonly #options: JointDeliveryOptions;
  readonly #parts: GroupCommit<Part, DeadRecord[]>;

  constructor(options: JointDeliveryOptions) {
    this.#options = options;
    this.#parts = new GroupCommit((parts) => this.#deliver(parts), {
      maxItems: options.maxBatch,
      weigh: ({ chunk }) => chunk.size,
      concurrency: options.concurrency,
      minIntervalMs: options.gatherMs,
    });
  }

  /**
   * Resolves to those that cannot be applied when the others are.
   * @throws Interrupted when the partition, or one that is delivered with it, is being given up
   */
  async deliver(chunk: Chunk, membership: Pick<Membership, 'wait'>): Promise<DeadRecord[]> {
    return this.#parts.add({ chunk, membership });
  }

  async #deliver(parts: readonly Part[]): Promise<DeadRecord[][]> {
    const { topic, apply, policy, isTransient, random } = this.#options;
    const read = parts.map(({ chunk }) => chunk.read());
    const records = read.flat();
    if (records.length > 0) batchSize.observe({ topic }, records.length);
    const dead = await deliver(records, {
      policy,
      apply,
      isTransient,
      random,
      wait: async (ms) => void (await Promise.all(parts.map(({ membership }) => membership.wait(ms)))),
      onFailure: (failure) => this.#tell(failure),
    });
    return read.map((part) => dead.filter(({ record }) => part.includes(record)));
  }

  #tell({ error, verdict, records, attempt, waitMs }: Parameters<Delivery['onFailure']>[0]): void {
    const { topic, isTransient, log } = this.#options;
    const cause = isTransient(error) ? 'infrastructure' : verdict === 'reject' ? 'rejected' : 'handler';
    retries.inc({ topic, cause });
    const fields = { topic, records, attempt, waitMs, verdict, err: error };
    if (verdict === 'reject') log.warn('a record was rejected by its handler', fields);
    else if (cause === 'infrastructure') log.warn('batch failed, trying again', fields);
    else log.error('batch failed', fields);
  }
}
