import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type EmailConfig } from '../config.ts';
import { sweepBodies } from '../email/body.store.ts';
import { rejoined } from '../metrics.ts';
import { applyEvents } from './apply.ts';
import { removeUnmatched, sweepUnmatched, takeUnmatched } from './unmatched.store.ts';

/** Looked at in one pass, in one transaction. */
const perPass = 500;

/** Joins events with their emails that came before what they are joined by was known; removes what nobody needs any more. */
@Injectable()
export class Rejoin {
  readonly #transact: Transact;
  readonly #works: readonly Periodic[];

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(CONFIG) config: EmailConfig, @Inject(LOGGER) log: Logger) {
    this.#transact = transact;
    this.#works = [
      new Periodic('events without an email', config.REJOIN_POLL_MS, log, () => this.#pass()),
      new Periodic('what is no longer needed', config.SWEEP_POLL_MS, log, () => this.#sweep()),
    ];
  }

  start(): void {
    for (const work of this.#works) work.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#works.map((work) => work.stop()));
  }

  async #pass(): Promise<boolean> {
    const { looked, found } = await this.#transact(async (tx) => {
      const due = await takeUnmatched(tx, perPass);
      if (due.length === 0) return { looked: 0, found: 0 };
      const { matched } = await applyEvents(tx, due);
      await removeUnmatched(
        tx,
        matched.map(({ id }) => id),
      );
      return { looked: due.length, found: matched.length };
    });
    rejoined.inc({ result: 'found' }, found);
    rejoined.inc({ result: 'not_yet' }, looked - found);
    return looked === perPass;
  }

  async #sweep(): Promise<boolean> {
    const swept = await this.#transact(
      async (tx) => (await sweepBodies(tx, perPass)) + (await sweepUnmatched(tx, perPass)),
    );
    return swept >= perPass;
  }
}
