/** The longest delay setTimeout takes; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** One-shot timers that `cancelAll` forgets and that never keep the process alive. */
export class Timers {
  #generation = 0;

  after(ms: number, work: () => void): void {
    const generation = this.#generation;
    const wait = Math.min(ms, LONGEST_MS);
    setTimeout(() => {
      if (generation !== this.#generation) return;
      if (wait < ms) this.after(ms - wait, work);
      else work();
    }, wait).unref();
  }

  cancelAll(): void {
    this.#generation++;
  }
}
