import type { CloudEvent } from '@signalbox/contracts';

/** One record that fits its topic's contract, and where it came from. */
export interface BatchRecord<E extends CloudEvent = CloudEvent> {
  readonly event: E;
  readonly key: string;
  readonly topic: string;
  readonly partition: number;
  /** Decimal string: offsets are 64 bits wide. */
  readonly offset: string;
  /** 1 the first time a handler of this process sees the record, then counting up. */
  readonly attempt: number;
}

/**
 * What a handler applies in one transaction: consecutive records of one partition, in order, or of several, one after the
 * other.
 */
export class Batch<E extends CloudEvent = CloudEvent> implements Iterable<BatchRecord<E>> {
  readonly records: readonly BatchRecord<E>[];

  constructor(records: readonly BatchRecord<E>[]) {
    this.records = records;
  }

  get size(): number {
    return this.records.length;
  }

  map<R>(each: (record: BatchRecord<E>, index: number) => R): R[] {
    return this.records.map(each);
  }

  filter(keep: (record: BatchRecord<E>, index: number) => boolean): BatchRecord<E>[] {
    return this.records.filter(keep);
  }

  [Symbol.iterator](): Iterator<BatchRecord<E>> {
    return this.records[Symbol.iterator]();
  }
}

type Place = Pick<BatchRecord, 'partition' | 'offset'>;

/**
 * Thrown by a handler for records it can never apply: they are dead-lettered with the reason, and the rest of the batch is
 * tried again without them. The reason ends up in headers and logs, so it names fields and never repeats values.
 */
export class RejectRecord extends Error {
  readonly records: readonly Place[];
  readonly reason: string;

  /** Several at once where one try finds several: each throw costs the rest of the batch another one. */
  constructor(records: Place | readonly Place[], reason: string) {
    super(reason);
    this.name = 'RejectRecord';
    this.records = [records].flat();
    this.reason = reason;
  }
}
