import { join } from 'node:path';
import type { Topic } from '@signalbox/contracts';
import type { EventProducer, EventRecord } from '@signalbox/kafka';
import type { Health } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import type { IngestConfig } from '../config.ts';
import type { CallbackStore, Unusable } from '../intake/intake.ts';
import { deadLetterRecord } from './dead-letter-record.ts';
import { DurablePublisher } from './durable-publisher.ts';
import { Spool } from './spool.ts';

/** Where callbacks become durable: the broker, and the spool behind it when SPOOL_DIR names a place for one. */
export class Durability implements CallbackStore {
  readonly #producer: EventProducer;
  readonly #spool: Spool | undefined;
  readonly #publisher: DurablePublisher | undefined;

  constructor(
    producer: EventProducer,
    { SPOOL_DIR, SPOOL_MAX_BYTES, BROKER_PATIENCE_MS }: IngestConfig,
    logger: Logger,
  ) {
    this.#producer = producer;
    if (SPOOL_DIR === undefined) {
      logger.warn('SPOOL_DIR is not set: callbacks are answered 503 while the broker is away');
    } else {
      this.#spool = new Spool(join(SPOOL_DIR, 'callbacks.db'), SPOOL_MAX_BYTES);
      this.#publisher = new DurablePublisher(producer, this.#spool, logger, { patienceMs: BROKER_PATIENCE_MS });
    }
    producer.connect().catch((error: unknown) => logger.debug({ err: error }, 'stopped before a broker was there'));
  }

  /** Resolves when the record is durable. */
  publish(topic: Topic, record: EventRecord): Promise<void> {
    return (this.#publisher ?? this.#producer).publish(topic, record);
  }

  deadLetter(topic: Topic, unusable: Unusable): Promise<void> {
    const letter = deadLetterRecord(topic, unusable, new Date());
    return this.#publisher?.store(letter) ?? this.#producer.send(letter.topic, [letter]);
  }

  /** With a spool a broker's outage does not make this service unready: it can take callbacks all the same. */
  registerChecks(health: Health): void {
    if (this.#spool === undefined) {
      health.register('kafka', () => {
        if (!this.#producer.ready()) throw new Error('the broker does not answer');
      });
    } else {
      const spool = this.#spool;
      health.register('spool', () => {
        if (spool.full) throw new Error('the spool is full');
      });
    }
  }

  async close(): Promise<void> {
    await this.#publisher?.close();
    await this.#producer.disconnect();
  }
}
