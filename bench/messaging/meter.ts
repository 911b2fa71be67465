/** Measures the rate of the process it is in, once it is warm; says it as a line of JSON and ends the process. */
export class Meter {
  readonly #total: number;
  readonly #warmUp: number;
  readonly #maxMs: number;
  #firstAt = 0;
  #done = 0;
  #from: { readonly at: number; readonly done: number } | undefined;

  /** Reads TOTAL, how many there are to do, and SECONDS, for how long to measure at most. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#total = Number(env['TOTAL']);
    this.#warmUp = this.#total / 4;
    this.#maxMs = Number(env['SECONDS'] ?? 5) * 1000;
  }

  /** So many more are done. A slow contender gets two seconds to warm up. */
  add(count: number): void {
    const now = performance.now();
    this.#firstAt ||= now;
    this.#done += count;
    if (!this.#from) {
      if (this.#done >= this.#warmUp || now - this.#firstAt > 2_000) this.#from = { at: now, done: this.#done };
      return;
    }
    const elapsed = now - this.#from.at;
    if (this.#done < this.#total && elapsed < this.#maxMs) return;
    console.log(JSON.stringify({ rate: ((this.#done - this.#from.done) / elapsed) * 1000 }));
    process.exit(0);
  }
}
