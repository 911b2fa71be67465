interface Bucket {
  tokens: number;
  refilledAt: number;
}

/**
 * A token bucket per source, for a bounded number of sources: when there are more, the one that was silent for longest is
 * forgotten.
 */
export class SourceLimit {
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    private readonly perMinute: number,
    private readonly maxSources = 10_000,
  ) {}

  /** @returns false when the source has used up what it may */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: this.perMinute, refilledAt: nowMs };
    // Put at the end: a Map keeps the order of insertion, so the first one is the longest silent.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > this.maxSources) this.#buckets.delete(this.#buckets.keys().next().value ?? source);
    const refill = ((nowMs - bucket.refilledAt) / 60_000) * this.perMinute;
    bucket.tokens = Math.min(this.perMinute, bucket.tokens + refill);
    bucket.refilledAt = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
