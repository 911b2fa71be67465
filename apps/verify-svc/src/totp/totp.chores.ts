import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { countFactors } from './factor.store.ts';
import { Totp } from './totp.ts';
import { totpFactors } from './totp.metrics.ts';

const everyMs = 60_000;
const perPass = 100;

/** Clears enrolments away that nobody finished, and tells which keys are still needed. */
@Injectable()
export class TotpChores implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(Totp) totp: Totp,
    @Inject(CONFIG) private readonly config: Pick<VerifyConfig, 'TOTP_KEYS'>,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#work = new Periodic('totp', everyMs, log, async () => {
      const cleared = await transact((tx) => totp.clearUnfinished(tx, new Date(), perPass));
      const counts = await transact(countFactors);
      totpFactors.reset();
      for (const { state, key, count } of counts) totpFactors.set({ state, key }, count);
      return cleared >= perPass;
    });
  }

  /** @throws when factors are sealed with a key that is not there: none of their codes could be checked */
  async onApplicationBootstrap(): Promise<void> {
    const used = new Set((await this.transact(countFactors)).map(({ key }) => key));
    const missing = [...used].filter((key) => !this.config.TOTP_KEYS.has(key));
    if (missing.length > 0)
      throw new Error(`TOTP_KEYS: authenticators are sealed with keys that are not there: ${missing.join(', ')}`);
    this.#work.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#work.stop();
  }
}
