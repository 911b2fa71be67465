import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { isAlone, Periodic, TRANSACT } from '@signalbox/domain-service';
import { run, type Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';

const everyMs = 60_000;
const batch = 5_000;

/**
 * Removes where calls were and what they were told last, a day after: Twilio asks again within seconds, and a call lasts a day at
 * most. Events tell the story to whoever wants to keep it.
 */
@Injectable()
export class SessionRetention implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #removing: Periodic;
  readonly #transact: Transact;

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(LOGGER) log: Logger) {
    this.#transact = transact;
    this.#removing = new Periodic('old calls', everyMs, log, () => this.remove(new Date()));
  }

  onApplicationBootstrap(): void {
    this.#removing.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.#removing.stop();
  }

  /** @returns whether there is more to remove */
  remove(now: Date): Promise<boolean> {
    const before = new Date(now.getTime() - 86_400_000);
    return this.#transact(async (tx) => {
      if (!(await isAlone(tx, 'flow session retention'))) return false;
      const { affected } = await run(
        tx,
        `delete from flow_sessions where (tenant, call_sid) in
           (select tenant, call_sid from flow_sessions where begun_at < $1 and updated_at < $1 limit ${batch})`,
        [before],
      );
      return affected === batch;
    });
  }
}
