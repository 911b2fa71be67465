import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { run, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { countryOfNumber } from '@signalbox/twilio';
import { CONFIG, type MessagingConfig } from '../config.ts';
import { analyticsLag, anomaliesOpen, countSteps } from '../metrics.ts';
import { countOpen } from './anomaly.store.ts';
import { followBlocks } from './blocked-queue.ts';
import { fold, perFold } from './fold.ts';
import { placeBook } from './place.rules.ts';
import { closeDay } from './running.ts';
import { watch } from './watch.ts';

/** Messages in line for a blocked prefix that are held, or let go, by one transaction. */
const perPass = 1_000;

/** Folds what messages did into the rollups, and watches the rollups for anomalies. */
@Injectable()
export class Analytics {
  readonly #work: readonly Periodic[];

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    const places = placeBook(config.ANALYTICS_PREFIX_DIGITS);
    const policy = {
      minVolume: config.ANALYTICS_MIN_VOLUME,
      blockMs: config.PREFIX_BLOCK_MS,
      homeCountries: (tenant: string) =>
        new Set((tenants.byName(tenant)?.senders ?? []).flatMap((sender) => countryOfNumber(sender) ?? [])),
    };
    this.#work = [
      new Periodic('analytics fold', config.ANALYTICS_FOLD_MS, log, async () => {
        return (await transact((tx) => fold(tx, places))) >= perFold;
      }),
      new Periodic('analytics days', config.ANALYTICS_WATCH_MS, log, () => transact((tx) => closeDay(tx, new Date()))),
      new Periodic('analytics watch', config.ANALYTICS_WATCH_MS, log, async () => {
        await transact((tx) => watch(tx, policy, new Date()));
        const followed = await transact((tx) => followBlocks(tx, new Date(), perPass));
        countSteps(followed);
        await transact(async (tx) => {
          const open = await countOpen(tx);
          for (const kind of ['failure_rate', 'sms_pumping']) anomaliesOpen.set({ kind }, open.get(kind) ?? 0);
          const { rows } = await run<{ count: number }>(tx, 'select count(*)::int as count from analytics_deltas');
          analyticsLag.set(rows[0]?.count ?? 0);
        });
        return followed.length >= perPass;
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
