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

  /** @param perMinute requests, of an IPv4 address or an IPv6 network */
  constructor(
    private readonly perMinute: number,
    private readonly maxSources = 10_000,
  ) {}

  /** @returns false when the source has used up what it may */
  take(address: string, nowMs: number): boolean {
    const source = networkOf(address);
    const bucket = this.#buckets.get(source) ?? { tokens: this.perMinute, refilledAt: nowMs };
    // Put at the end: a Map keeps the order of insertion, so the first one is the longest silent.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > this.maxSources) this.#buckets.delete(this.#buckets.keys().next().value ?? source);
    bucket.tokens = this.#tokensOf(bucket, nowMs);
    bucket.refilledAt = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Whether the next {@link take} would be refused. */
  isSpent(address: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(networkOf(address));
    return bucket !== undefined && this.#tokensOf(bucket, nowMs) < 1;
  }

  #tokensOf({ tokens, refilledAt }: Bucket, nowMs: number): number {
    return Math.min(this.perMinute, tokens + ((nowMs - refilledAt) / 60_000) * this.perMinute);
  }
}

/**
 * The /64 of an IPv6 address, since whoever has one has 2^64; an IPv4 address is itself, in IPv6's clothes too.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after ? after.split(':') : [];
  const gap = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array.from({ length: gap }, () => '0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
