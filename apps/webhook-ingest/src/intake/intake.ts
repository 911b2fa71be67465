import { callbacks } from '@signalbox/edge';
import type { Topic } from '@signalbox/contracts';
import { type EventRecord, RecordTooLarge } from '@signalbox/kafka';
import { ProblemException } from '@signalbox/service';
import { counter, type Logger } from '@signalbox/telemetry';

/** What no record can be made of, with why; kept as it came. */
export interface Unusable {
  readonly key: string;
  readonly tenant: string;
  readonly value: string;
  readonly reason: string;
}

/** What is to be kept of a callback: its record, or for the topic's dead letters what could not become one. */
export type Kept =
  { readonly topic: Topic; readonly record: EventRecord } | { readonly topic: Topic; readonly unusable: Unusable };

/** Makes records durable. Each resolves when it is. */
export interface CallbackStore {
  /** @throws RecordTooLarge; anything else means that it cannot be stored at present */
  publish(topic: Topic, record: EventRecord): Promise<void>;
  /** @throws as publish, but for what is twice as large */
  deadLetter(topic: Topic, unusable: Unusable): Promise<void>;
}

const events = counter('signalbox_callback_events_total', 'Events of batches, by what became of them', [
  'route',
  'result',
]);

/** The last step of every callback before its answer: durable, or refused. */
export class Intake {
  constructor(
    private readonly store: CallbackStore,
    private readonly logger: Logger,
  ) {}

  /**
   * Resolves when all is durable. When some of it cannot be stored the callback is refused as a whole, and will be sent
   * again as a whole; what was stored is then a repeat under the same ce_id.
   * @throws ProblemException with the answer
   */
  async keep(route: string, kept: readonly Kept[]): Promise<void> {
    const [only] = kept;
    // Nearly all callbacks are one record, and take the short way.
    const failed =
      kept.length === 1 && only
        ? await settle(this.#keepOne(only))
        : (await Promise.all(kept.map((one) => settle(this.#keepOne(one))))).find((result) => result !== undefined);
    if (failed !== undefined) throw this.#notDurable(route, failed);
    const unusable = kept.filter((one) => 'unusable' in one).length;
    if (unusable > 0) events.inc({ route, result: 'dead_lettered' }, unusable);
    if (kept.length > 1) events.inc({ route, result: 'published' }, kept.length - unusable);
    callbacks.inc({ route, result: 'accepted' });
  }

  #keepOne(one: Kept): Promise<void> {
    return 'record' in one ? this.store.publish(one.topic, one.record) : this.store.deadLetter(one.topic, one.unusable);
  }

  #notDurable(route: string, error: unknown): ProblemException {
    if (error instanceof RecordTooLarge) {
      callbacks.inc({ route, result: 'malformed' });
      return new ProblemException(413, 'Content Too Large');
    }
    callbacks.inc({ route, result: 'unavailable' });
    this.logger.error({ err: error, route }, 'callback not stored');
    return new ProblemException(
      503,
      'Service Unavailable',
      'Nothing was stored, send it again',
      {},
      {
        'retry-after': '2',
      },
    );
  }
}

async function settle(promise: Promise<void>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error ?? new Error('not stored');
  }
}
