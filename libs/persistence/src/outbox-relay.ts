import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import type { DataSource } from 'typeorm';
import { failpoints } from './failpoint.ts';
import { FencedProducer } from './fenced-producer.ts';
import * as metrics from './outbox.metrics.ts';
import { sampleBacklog } from './outbox.backlog.ts';
import { type OutboxRow, RelaySession } from './relay-session.ts';

export interface OutboxRelayOptions {
  /** From `createDataSource`; the relay opens one session of its own on its database. */
  readonly dataSource: DataSource;
  /** The relay makes its own transactional producer from it. */
  readonly kafka: Pick<Kafka, 'producer' | 'admin'>;
  /** The service's name: part of the Kafka transactional id and group `outbox.<name>.<uuid of the database>`. */
  readonly name: string;
  readonly logger?: RelayLogger;
  /** Events per Kafka transaction at most, default 1000. */
  readonly batchSize?: number;
  /** Milliseconds after which events of other replicas are looked for, default 100. */
  readonly pollMs?: number;
  /**
   * Milliseconds from the start of one small batch to that of the next, at least; default 40. A lone event after a pause waits for
   * nothing.
   */
  readonly gatherMs?: number;
}

/** The part of a pino logger that the relay uses. */
export interface RelayLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** All of a batch can hash to one partition, where it is one record batch: under Kafka's `max.message.bytes` (1 MiB). */
const maxBatchBytes = 900_000;
const standbyMs = 1_000;
const maxBackoffMs = 5_000;

/**
 * Publishes what `Outbox` wrote, in order, each event exactly once for consumers that read committed records (kafkajs's and
 * librdkafka's default). Every replica runs one; one of them leads, the others stand by and take over.
 *
 * Any error ends the lead: session and producer are closed, and the next leader, be it this one again, finds out from Postgres
 * and Kafka how far the last one came. That is the only recovery there is, for a crash as for a broker away. See ADR 0003.
 */
export class OutboxRelay {
  readonly #options: OutboxRelayOptions;
  #running: Promise<void> | undefined;
  #stopped = false;
  #sampling: { stop(): void } | undefined;
  #nudged = false;
  #waiting: { resolve: () => void; nudgeable: boolean } | undefined;
  #failures = 0;

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    this.#stopped = false;
    this.#running = this.#run();
    this.#sampling = sampleBacklog(this.#options.dataSource, this.#options.logger);
  }

  /** Finishes the batch in flight and gives up the lead. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting?.resolve();
    await this.#running;
    this.#running = undefined;
    this.#sampling?.stop();
  }

  /** Says that this process has committed events, so that they leave at once. Cheap, and without effect on a standby. */
  nudge(): void {
    this.#nudged = true;
    if (this.#waiting?.nudgeable) this.#waiting.resolve();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#contend();
      } catch (err) {
        const backoffMs = Math.random() * Math.min(100 * 2 ** this.#failures++, maxBackoffMs);
        metrics.failures.inc();
        this.#options.logger?.warn({ err, backoffMs: Math.round(backoffMs) }, 'outbox relay stepped down');
        await this.#wait(backoffMs);
      }
    }
  }

  async #contend(): Promise<void> {
    const session = await RelaySession.open(this.#options.dataSource);
    try {
      while (!this.#stopped) {
        if (await session.tryLock()) return await this.#lead(session);
        await this.#wait(standbyMs);
      }
    } finally {
      await session.close();
    }
  }

  async #lead(session: RelaySession): Promise<void> {
    const { kafka, name, logger } = this.#options;
    const intent = await session.intent();
    const producer = await FencedProducer.open(kafka, `outbox.${name}.${intent.relayId}`);
    try {
      const published = intent.token !== null && intent.batch.length > 0 && (await producer.remembers(intent.token));
      metrics.leader.set(1);
      logger?.info({ unsettled: intent.batch.length, published }, 'outbox relay leads');
      await this.#relay(session, producer, published ? intent.batch : []);
    } finally {
      metrics.leader.set(0);
      await producer.disconnect();
    }
  }

  async #relay(session: RelaySession, producer: FencedProducer, settled: readonly string[]): Promise<void> {
    const { batchSize = 1_000, pollMs = 100, gatherMs = 40 } = this.#options;
    let done = settled;
    while (!this.#stopped) {
      this.#nudged = false;
      const since = performance.now();
      const token = randomUUID();
      const rows = await session.advance(done, token, { rows: batchSize, bytes: maxBatchBytes });
      done = [];
      if (rows.length === 0) {
        await this.#wait(pollMs, { nudgeable: true });
        continue;
      }
      await producer.publish(rows, token);
      failpoints.reached('outbox.published');
      done = rows.map((row) => row.id);
      metrics.published.inc(rows.length);
      this.#failures = 0;
      // A transaction costs much whatever it holds: what comes in small amounts is collected, as if the outbox had been empty.
      if (rows.length < batchSize / 10 && bytesOf(rows) < maxBatchBytes / 10) {
        await this.#wait(since + gatherMs - performance.now());
        await this.#wait(pollMs, { nudgeable: true });
      }
    }
    if (done.length > 0) await session.advance(done, randomUUID(), { rows: 0, bytes: 0 });
  }

  /** Resolves after `ms`, when stopped, or, if `nudgeable`, as soon as there was a nudge. */
  async #wait(ms: number, { nudgeable } = { nudgeable: false }): Promise<void> {
    if (this.#stopped || ms <= 0 || (nudgeable && this.#nudged)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { resolve, nudgeable };
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#waiting = undefined;
  }
}

function bytesOf(rows: readonly OutboxRow[]): number {
  return rows.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
}
