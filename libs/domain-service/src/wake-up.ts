import { setTimeout as sleep } from 'node:timers/promises';

/** Something to wait for that is never missed: a nudge that comes before the wait ends it at once. */
export class WakeUp {
  #nudged = Promise.withResolvers<void>();

  nudge(): void {
    this.#nudged.resolve();
  }

  /** Until the next nudge, or for so many milliseconds. */
  async wait(ms: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([
      this.#nudged.promise,
      sleep(ms, undefined, { signal: timer.signal }).catch((error: unknown) => {
        if (!timer.signal.aborted) throw error;
      }),
    ]);
    timer.abort();
    this.#nudged = Promise.withResolvers<void>();
  }
}
