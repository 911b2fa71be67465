import { isTransient } from '@signalbox/persistence';
import type { Logger } from '@signalbox/telemetry';
import { WakeUp } from './wake-up.ts';

/** Work to do again and again in the background; one pass at a time, and a pass that fails is logged and tried again. */
export class Periodic {
  readonly #wakeUp = new WakeUp();
  #stopping = false;
  #running: Promise<void> | undefined;

  /** @param pass true when there is more to do at once */
  constructor(
    private readonly name: string,
    private readonly everyMs: number,
    private readonly log: Logger,
    private readonly pass: () => Promise<boolean>,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  /** There is something to do at once. */
  nudge(): void {
    this.#wakeUp.nudge();
  }

  /** Resolves when the pass under way has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp.nudge();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      let more = false;
      try {
        more = await this.pass();
      } catch (error) {
        this.log[isTransient(error) ? 'warn' : 'error']({ err: error, work: this.name }, 'background work failed');
      }
      if (!more && !this.#stopping) await this.#wakeUp.wait(this.everyMs);
    }
  }
}
