import { GroupCommit } from '@signalbox/group-commit';
import { type CloudEvent, type Topic, toHeaders } from '@signalbox/contracts';
import type { Kafka, Logger, Message } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { protocolErrorOf } from './kafka-errors.ts';
import { ownNamespace } from './logger.ts';
import { producedRecords, produceSeconds } from './metrics.ts';
import { KafkajsSession } from './kafkajs-session.ts';
import type { ProducerSession } from './producer-session.ts';
import { traced } from './trace-context.ts';

export interface EventProducerOptions {
  /** The client library underneath: kafkajs unless another is given, see `platformaticSession`. */
  readonly session?: () => ProducerSession;
  /** A publish rejects when it is not acknowledged by then, in milliseconds, give or take a tenth. Default 10 000. */
  readonly timeoutMs?: number;
  /**
   * Milliseconds between two produce requests, at least. A request costs much whatever its size, so under load fewer and larger
   * ones leave more of the processor to the callers; a record that comes after a pause is sent at once all the same. Default 0.
   */
  readonly minIntervalMs?: number;
  /** Records waiting for their acknowledgement; above it publish rejects with `GroupCommitFull`. Default 50 000. */
  readonly maxPending?: number;
  /** Records in one produce request. Default 1000. */
  readonly maxRecords?: number;
  /** Bytes in one produce request, unless a single record has more. Default 900 000; Kafka's default limit is 1 MiB. */
  readonly maxRequestBytes?: number;
  /** A larger record is refused without being sent. Default 1 000 000. */
  readonly maxRecordBytes?: number;
}

export interface EventRecord {
  readonly key: string;
  readonly event: CloudEvent;
}

/** Refused for good, by us or by the broker; records that stood beside it are not affected. */
export class RecordTooLarge extends Error {
  constructor(topic: string, bytes: number) {
    super(`record of ${bytes} bytes is too large for ${topic}`);
    this.name = 'RecordTooLarge';
  }
}

/** No acknowledgement in time. In doubt: the broker may have stored the record, so publishing it again may repeat it. */
export class PublishTimeout extends Error {
  constructor(topic: string, timeoutMs: number) {
    super(`${topic} did not acknowledge within ${timeoutMs} ms`);
    this.name = 'PublishTimeout';
  }
}

interface Outgoing {
  readonly topic: string;
  readonly message: Message;
  readonly bytes: number;
}

const tooLarge = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'];

/** The broker refused the batch because of the producer's sequence numbers, so a new session may send it at once. */
const outOfSequence = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
];

/**
 * Publishes with `acks=all` through an idempotent producer. What concurrent callers publish while a request is under way
 * goes out together in the next one. Records of one key keep the order in which they were published; after a rejection
 * they may be repeated, never lost silently.
 */
export class EventProducer {
  readonly #newSession: () => ProducerSession;
  readonly #log: Logger;
  readonly #timeoutMs: number;
  /** Of a request. Longer, so that callers hear that their record timed out and not that a request did. */
  readonly #requestTimeoutMs: number;
  readonly #maxRequestBytes: number;
  readonly #maxRecordBytes: number;
  readonly #commits: GroupCommit<Outgoing, void>;
  readonly #closing = new AbortController();
  readonly #ending = new Set<Promise<void>>();
  #session: ProducerSession | undefined;
  #connecting: Promise<ProducerSession> | undefined;

  constructor(kafka: Pick<Kafka, 'producer' | 'logger'>, options: EventProducerOptions = {}) {
    this.#newSession = options.session ?? (() => new KafkajsSession(kafka));
    this.#log = kafka.logger().namespace(ownNamespace);
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#requestTimeoutMs = this.#timeoutMs * 1.2;
    this.#maxRequestBytes = options.maxRequestBytes ?? 900_000;
    this.#maxRecordBytes = options.maxRecordBytes ?? 1_000_000;
    this.#commits = new GroupCommit((records) => this.#flush(records), {
      maxItems: options.maxRecords ?? 1000,
      maxPending: options.maxPending ?? 50_000,
      minIntervalMs: options.minIntervalMs ?? 0,
      timeout: { ms: this.#timeoutMs, error: ({ topic }) => new PublishTimeout(topic, this.#timeoutMs) },
    });
  }

  /** Resolves when connected, however late the broker comes. Publishing does not have to wait for it. */
  async connect(): Promise<void> {
    await this.#connected();
  }

  /** Connected, and the last request was acknowledged. */
  ready(): boolean {
    return this.#session !== undefined;
  }

  /** Waits for what is pending, then closes the connections. */
  async disconnect(): Promise<void> {
    await this.#commits.drain();
    this.#closing.abort();
    await this.#connecting?.catch(() => undefined);
    await this.#session?.end();
    this.#session = undefined;
    await Promise.all(this.#ending);
  }

  /** Resolves when all in-sync replicas have the record. */
  publish(topic: Pick<Topic, 'name'> | string, record: EventRecord): Promise<void> {
    return this.#add(nameOf(topic), toMessage(record));
  }

  /** Resolves when all are stored; rejects when the last is settled, with the first reason, if any failed. */
  publishAll(topic: Pick<Topic, 'name'> | string, records: readonly EventRecord[]): Promise<void> {
    return allSettled(records.map((record) => this.#add(nameOf(topic), toMessage(record))));
  }

  /** Sends records as they are, of whatever size the topic takes: for dead letters and replays. */
  send(topic: string, messages: readonly Message[]): Promise<void> {
    const [first] = messages;
    if (first && messages.length === 1) return this.#add(topic, first, Number.POSITIVE_INFINITY);
    return allSettled(messages.map((message) => this.#add(topic, message, Number.POSITIVE_INFINITY)));
  }

  #add(topic: string, message: Message, maxBytes = this.#maxRecordBytes): Promise<void> {
    const bytes = atMostBytes(message);
    if (bytes > maxBytes && bytesOf(message) > maxBytes)
      return Promise.reject(new RecordTooLarge(topic, bytesOf(message)));
    return this.#commits.add({ topic, message, bytes });
  }

  async #flush(records: Outgoing[]): Promise<(Error | void)[]> {
    const failures = new Map<Outgoing, Error>();
    let broken: Error | undefined;
    for (const request of this.#requests(records)) {
      // Sending on after a failure would let a key's later records overtake the failed ones.
      if (!broken) {
        try {
          await this.#deliver(request, failures);
          continue;
        } catch (error) {
          broken = error instanceof Error ? error : new Error(String(error));
        }
      }
      for (const record of request) failures.set(record, broken);
    }
    return records.map((record) => failures.get(record));
  }

  *#requests(records: Outgoing[]): Iterable<Outgoing[]> {
    let request: Outgoing[] = [];
    let bytes = 0;
    for (const record of records) {
      if (request.length > 0 && bytes + record.bytes > this.#maxRequestBytes) {
        yield request;
        request = [];
        bytes = 0;
      }
      request.push(record);
      bytes += record.bytes;
    }
    if (request.length > 0) yield request;
  }

  /** Throws when nothing of the request may be taken for stored; records the broker finds too large end in `failures`. */
  async #deliver(records: Outgoing[], failures: Map<Outgoing, Error>): Promise<void> {
    try {
      await this.#send(records);
    } catch (error) {
      if (!tooLarge.includes(protocolErrorOf(error))) throw error;
      const [only] = records;
      if (records.length === 1 && only) {
        failures.set(only, new RecordTooLarge(only.topic, bytesOf(only.message)));
        return;
      }
      const half = records.length >> 1;
      await this.#deliver(records.slice(0, half), failures);
      await this.#deliver(records.slice(half), failures);
    }
  }

  async #send(records: Outgoing[], again = true): Promise<void> {
    const byTopic = Map.groupBy(records, ({ topic }) => topic);
    const topicMessages = [...byTopic].map(([topic, of]) => ({ topic, messages: of.map(({ message }) => message) }));
    const session = await this.#connectedInTime();
    const stop = produceSeconds.startTimer();
    try {
      await session.send(topicMessages, this.#requestTimeoutMs);
    } catch (error) {
      this.#endSession(session, error);
      if (again && outOfSequence.includes(protocolErrorOf(error))) return this.#send(records, false);
      throw error;
    }
    stop();
    for (const [topic, of] of byTopic) producedRecords.inc({ topic }, of.length);
  }

  #endSession(session: ProducerSession, cause: unknown): void {
    this.#session = undefined;
    this.#log.warn('producer starts a new session after a failed request', {
      error: cause instanceof Error ? cause.message : String(cause),
    });
    const ending = session
      .end()
      .catch((error: unknown) => this.#log.debug('ending a producer session', { error: String(error) }))
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    // So that it is ready again before the next caller comes; a failure ends the flush that waits for it.
    this.#connected().catch(() => undefined);
  }

  #connected(): Promise<ProducerSession> {
    if (this.#session) return Promise.resolve(this.#session);
    this.#connecting ??= this.#open().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #connectedInTime(): Promise<ProducerSession> {
    if (this.#session) return this.#session;
    const timer = new AbortController();
    const timeout = sleep(this.#requestTimeoutMs, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`no broker within ${this.#requestTimeoutMs} ms`);
    });
    try {
      return await Promise.race([this.#connected(), timeout]);
    } finally {
      timer.abort();
    }
  }

  async #open(): Promise<ProducerSession> {
    for (let failures = 0; ; failures++) {
      this.#closing.signal.throwIfAborted();
      const session = this.#newSession();
      try {
        await session.connect();
        this.#session = session;
        return session;
      } catch (error) {
        if (failures % 10 === 0) this.#log.warn('producer waits for a broker', { error: String(error) });
        await session.end();
        await sleep(Math.min(1_000, 100 * 2 ** failures), undefined, { signal: this.#closing.signal });
      }
    }
  }
}

function nameOf(topic: Pick<Topic, 'name'> | string): string {
  return typeof topic === 'string' ? topic : topic.name;
}

function toMessage({ key, event }: EventRecord): Message {
  return { key, value: JSON.stringify(event.data ?? null), headers: toHeaders(traced(event)) };
}

/** Kafka's own framing is 70 bytes at most, plus a few per header. */
function bytesOf(message: Message): number {
  return sizeOf(message, (text) => Buffer.byteLength(text));
}

/** UTF-8 has at most three bytes for each unit of a string; counting those of a dozen short headers would cost as much as sending them. */
function atMostBytes(message: Message): number {
  return sizeOf(message, (text) => text.length * 3);
}

function sizeOf({ key, value, headers }: Message, sizeOfHeader: (text: string) => number): number {
  let bytes = 70 + (key ? Buffer.byteLength(key) : 0) + (value ? Buffer.byteLength(value) : 0);
  for (const name in headers) {
    const header = headers[name];
    for (const one of Array.isArray(header) ? header : [header ?? ''])
      bytes += 10 + name.length + (typeof one === 'string' ? sizeOfHeader(one) : one.length);
  }
  return bytes;
}

async function allSettled(promises: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
