import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { toHeaders, type Topic } from '@signalbox/contracts';
import { GroupCommit } from '@signalbox/group-commit';
import { type EventProducer, type EventRecord, RecordTooLarge, traced } from '@signalbox/kafka';
import { counter, gauge, type Logger } from '@signalbox/telemetry';
import { refusedRecord } from './dead-letter-record.ts';
import type { Spool, SpooledRecord, StoredRecord } from './spool.ts';

export interface DurablePublisherOptions {
  /** Milliseconds a record waits for the broker before all that wait go to the spool. Default 500. */
  readonly patienceMs?: number;
  /** Records sent at once when draining. Default 500. */
  readonly drainBatch?: number;
}

interface Waiting {
  readonly record: SpooledRecord;
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const spooledTotal = counter('signalbox_spool_records_total', 'Records written to and drained from the spool', [
  'move',
]);

/** As the producer's own limit, so that what is spooled can be sent. */
const maxRecordBytes = 1_000_000;

/**
 * Publishes to Kafka while the broker answers, and to the spool while it does not. From the first record in the spool
 * on, everything goes through it until it is empty, so that records of one key keep their order. A record may be
 * published twice, under the same ce_id, when the broker had taken it without saying so in time.
 */
export class DurablePublisher {
  readonly #appends: GroupCommit<SpooledRecord, undefined>;
  readonly #inFlight = new Set<Waiting>();
  readonly #closing = new AbortController();
  readonly #watch: NodeJS.Timeout;
  readonly #patienceMs: number;
  readonly #drainBatch: number;
  #spooling = false;
  #draining: Promise<void> = Promise.resolve();

  constructor(
    private readonly producer: Pick<EventProducer, 'send'>,
    private readonly spool: Spool,
    private readonly logger: Logger,
    options: DurablePublisherOptions = {},
  ) {
    this.#patienceMs = options.patienceMs ?? 500;
    this.#drainBatch = options.drainBatch ?? 500;
    this.#appends = new GroupCommit(async (records) => {
      // Lets the requests that have already arrived join: a commit blocks the event loop for the time of a disk sync.
      await nextTurn();
      spool.append(records);
      spooledTotal.inc({ move: 'in' }, records.length);
      return records.map(() => undefined);
    });
    // One timer that looks at the oldest, not one timer per record.
    this.#watch = setInterval(() => this.#checkPatience(), this.#patienceMs / 5).unref();
    gauge('signalbox_spool_records', 'Records in the spool', [], (metric) => metric.set(spool.records));
    gauge('signalbox_spool_bytes', 'Bytes in the spool', [], (metric) => metric.set(spool.bytes));
    gauge('signalbox_spool_oldest_seconds', 'Age of the oldest record in the spool', [], (metric) =>
      metric.set(spool.oldestAgeMs() / 1000),
    );
    if (spool.records > 0) this.#startSpooling('records left by an earlier run');
  }

  /** Records go to the spool at present. */
  get spooling(): boolean {
    return this.#spooling;
  }

  /**
   * Resolves when the record is durable, in the topic or in the spool.
   * @throws RecordTooLarge; SpoolFull, or what kept the disk from taking it
   */
  publish(topic: Pick<Topic, 'name'>, { key, event }: EventRecord): Promise<void> {
    const value = JSON.stringify(event.data);
    // UTF-8 has at most three bytes for each unit of a string, so that short ones need not be counted.
    if (value.length * 3 > maxRecordBytes && Buffer.byteLength(value) > maxRecordBytes)
      return Promise.reject(new RecordTooLarge(topic.name, Buffer.byteLength(value)));
    // Traced now, because the span is over when the spool is drained.
    return this.store({ topic: topic.name, key, value, headers: toHeaders(traced(event)) });
  }

  /** The same for a record as it is, whatever its size. */
  store(record: SpooledRecord): Promise<void> {
    if (this.#spooling) return this.#appends.add(record);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { record, since: performance.now(), resolve, reject };
      this.#inFlight.add(waiting);
      this.producer.send(record.topic, [record]).then(
        () => {
          if (this.#inFlight.delete(waiting)) resolve();
        },
        (error: unknown) => {
          if (!this.#inFlight.has(waiting)) return;
          if (!(error instanceof RecordTooLarge)) return this.#startSpooling(String(error));
          this.#inFlight.delete(waiting);
          reject(error);
        },
      );
    });
  }

  /** Stops draining; what is in the spool stays there for the next run. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    this.#closing.abort();
    await this.#appends.drain();
    await this.#draining;
    this.spool.close();
  }

  #checkPatience(): void {
    const [oldest] = this.#inFlight;
    if (oldest && performance.now() - oldest.since > this.#patienceMs)
      this.#startSpooling(`the broker has not answered for ${this.#patienceMs} ms`);
  }

  #startSpooling(reason: string): void {
    if (this.#spooling) return;
    this.#spooling = true;
    this.logger.warn({ reason, waiting: this.#inFlight.size }, 'callbacks go to the spool');
    // All that wait, in the order they came, before anything newer.
    for (const { record, resolve, reject } of this.#inFlight) this.#appends.add(record).then(resolve, reject);
    this.#inFlight.clear();
    this.#draining = this.#drain().catch((error: unknown) =>
      this.logger.fatal({ err: error }, 'the spool cannot be drained'),
    );
  }

  async #drain(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const records = this.spool.peek(this.#drainBatch);
      const last = records.at(-1);
      if (last) {
        if (await this.#send(records)) {
          this.spool.remove(last.id);
          spooledTotal.inc({ move: 'out' }, records.length);
        }
      } else if (this.#appends.pending > 0) {
        await this.#appends.drain();
      } else {
        // In the same turn as the look into the spool, so that nothing slips in between.
        this.#spooling = false;
        this.logger.info('the spool is empty, callbacks go to the broker again');
        return;
      }
    }
  }

  /** False when the broker did not take them all, after a pause. */
  async #send(records: readonly StoredRecord[]): Promise<boolean> {
    const byTopic = Map.groupBy(records, ({ topic }) => topic);
    try {
      await Promise.all([...byTopic].map(([topic, of]) => this.producer.send(topic, of)));
      return true;
    } catch (error) {
      if (error instanceof RecordTooLarge) return this.#sendOneByOne(records, error);
      await delay(200, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      return false;
    }
  }

  /** Finds the record the broker refuses for its size; kept, it would stop the spool for ever. */
  async #sendOneByOne(records: readonly StoredRecord[], refusal: RecordTooLarge): Promise<boolean> {
    const [only] = records;
    if (only && records.length === 1) return this.#setAside(only, refusal);
    for (const record of records) if (!(await this.#send([record]))) return false;
    return true;
  }

  /** It was acknowledged, so it must not vanish; a dead-letter topic takes twice the size of any other. */
  async #setAside(record: StoredRecord, refusal: RecordTooLarge): Promise<boolean> {
    if (record.topic.endsWith('.dlq')) {
      spooledTotal.inc({ move: 'dropped' });
      this.logger.error({ err: refusal }, 'a spooled record is dropped: not even the dead letters take its size');
      return true;
    }
    this.logger.error({ err: refusal }, 'a spooled record is dead-lettered: its topic takes no record of its size');
    return this.#send([{ ...refusedRecord(record, refusal.message, new Date()), id: record.id }]);
  }
}
