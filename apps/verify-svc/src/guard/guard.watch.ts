import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { run, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { reportBlocks } from './block.report.ts';
import { forgetBlocks } from './block.store.ts';
import { blockedPrefixes, guardLag } from './guard.metrics.ts';
import { isHome } from './home.ts';
import { forgetStarts } from './start.store.ts';
import { perPass, watch, type WatchPolicy } from './watch.ts';
import { forgetPrefixes } from './watch.store.ts';

const day = 24 * 3_600_000;

/** A prefix that is not used so long has no history, and a block that ended before it is not listed. */
const keptMs = 30 * day;
const reportMs = 15_000;

/** What the guard does in the background: counts, blocks, unblocks and forgets. */
@Injectable()
export class GuardWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #work: readonly Periodic[];

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: Pick<VerifyConfig, 'GUARD_BLOCK_MS' | 'GUARD_FOLD_MS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    const policy: WatchPolicy = {
      blockMs: config.GUARD_BLOCK_MS,
      isHome: (tenant, block) => isHome(tenants.byName(tenant), `${block}000`),
    };
    this.#work = [
      new Periodic('guard', config.GUARD_FOLD_MS, log, async () => {
        const { taken, began, ended } = await transact((tx) => watch(tx, policy, new Date()));
        reportBlocks(log, [...began, ...ended]);
        return taken >= perPass;
      }),
      new Periodic('guard report', reportMs, log, async () => {
        const now = Date.now();
        await transact(async (tx) => {
          const { rows } = await run<{ guard: number; admin: number; lag: number }>(
            tx,
            `select count(*) filter (where made_by = 'guard')::int as guard,
               count(*) filter (where made_by = 'admin')::int as admin,
               (select count(*)::int from guard_deltas) as lag
             from guard_blocks where ended_at is null and (expires_at is null or expires_at > now())`,
          );
          const [{ guard = 0, admin = 0, lag = 0 } = {}] = rows;
          blockedPrefixes.set({ made_by: 'guard' }, guard);
          blockedPrefixes.set({ made_by: 'admin' }, admin);
          guardLag.set(lag);
          await forgetPrefixes(tx, new Date(now - keptMs));
          await forgetBlocks(tx, new Date(now - keptMs));
        });
        return transact((tx) => forgetStarts(tx, new Date(now - Math.max(config.GUARD_BLOCK_MS, day))));
      }),
    ];
  }

  onApplicationBootstrap(): void {
    for (const work of this.#work) work.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.#work.map((work) => work.stop()));
  }
}
