import { Inject, Injectable } from '@nestjs/common';
import { run, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type MessagingConfig } from '../config.ts';
import { analyticsLag, anomaliesOpen } from '../metrics.ts';
import { Periodic } from '../periodic.ts';
import { TRANSACT } from '../transact.ts';
import { countOpen } from './anomaly.store.ts';
import { fold, perFold } from './fold.ts';
import { placeBook } from './place.rules.ts';
import { watch } from './watch.ts';

/** Folds what messages did into the rollups, and watches the rollups for anomalies. */
@Injectable()
export class Analytics {
  readonly #work: readonly Periodic[];

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    const places = placeBook(config.ANALYTICS_PREFIX_DIGITS);
    const policy = { minVolume: config.ANALYTICS_MIN_VOLUME, blockMs: config.PREFIX_BLOCK_MS };
    this.#work = [
      new Periodic('analytics fold', config.ANALYTICS_FOLD_MS, log, async () => {
        return (await transact((tx) => fold(tx, places))) >= perFold;
      }),
      new Periodic('analytics watch', config.ANALYTICS_WATCH_MS, log, async () => {
        await transact((tx) => watch(tx, policy, new Date()));
        await transact(async (tx) => {
          const open = await countOpen(tx);
          for (const kind of ['failure_rate', 'sms_pumping']) anomaliesOpen.set({ kind }, open.get(kind) ?? 0);
          const { rows } = await run<{ count: number }>(tx, 'select count(*)::int as count from analytics_deltas');
          analyticsLag.set(rows[0]?.count ?? 0);
        });
        return false;
      }),
    ];
  }

  start(): void {
    for (const work of this.#work) work.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#work.map((work) => work.stop()));
  }
}
