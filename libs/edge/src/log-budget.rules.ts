/** At most `burst` at once and `perSecond` in the long run; says how many were held back since the last that passed. */
export class LogBudget {
  #tokens: number;
  #refilledAt = 0;
  #suppressed = 0;

  constructor(
    private readonly burst = 20,
    private readonly perSecond = 1,
  ) {
    this.#tokens = burst;
  }

  /** @returns how many were held back before this one, or undefined when it is to be held back too */
  take(nowMs: number): number | undefined {
    this.#tokens = Math.min(this.burst, this.#tokens + ((nowMs - this.#refilledAt) / 1000) * this.perSecond);
    this.#refilledAt = nowMs;
    if (this.#tokens < 1) {
      this.#suppressed++;
      return undefined;
    }
    this.#tokens--;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
