export interface GroupCommitOptions<T = unknown> {
  /** Items handed to one flush, or what they weigh together. Default 1000. */
  readonly maxItems?: number;
  /** What an item counts for in `maxItems`; one that is heavier than that is flushed alone. Default 1. */
  readonly weigh?: (item: T) => number;
  /** Flushes under way at once; above 1 the order between flushes is not kept. Default 1. */
  readonly concurrency?: number;
  /** Items waiting or being flushed; above it `add` rejects. Default unbounded. */
  readonly maxPending?: number;
  /**
   * Milliseconds from the start of one flush to that of the next, at least: for flushes that cost much whatever their size.
   * An item that comes after a pause waits for nothing all the same, nor do as many as `maxItems`. Default 0.
   */
  readonly minIntervalMs?: number;
  /** Default: an item waits as long as its flush takes. */
  readonly timeout?: GroupCommitTimeout<T>;
}

export interface GroupCommitTimeout<T> {
  /** Milliseconds after which an item that is not settled rejects, give or take a tenth. If it still waits, it is not flushed. */
  readonly ms: number;
  /** What it rejects with. */
  readonly error: (item: T) => Error;
}

/** More is waiting than `maxPending` allows: the caller should shed or store the item elsewhere. */
export class GroupCommitFull extends Error {
  constructor(maxPending: number) {
    super(`${maxPending} items are already waiting to be committed`);
    this.name = 'GroupCommitFull';
  }
}

interface Waiting<T, R> {
  readonly item: T;
  readonly since: number;
  readonly resolve: (result: R) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Collects what arrives while a flush is under way, or sooner after one than `minIntervalMs`, and flushes it all as the next
 * one: a lone item waits for nothing, and the batch size follows the load. Items are flushed in the order they were added.
 */
export class GroupCommit<T, R = void> {
  readonly #flush: (items: T[]) => Promise<(R | Error)[]>;
  readonly #maxItems: number;
  readonly #weigh: (item: T) => number;
  readonly #concurrency: number;
  readonly #maxPending: number;
  readonly #minIntervalMs: number;
  readonly #timeout: GroupCommitTimeout<T> | undefined;
  readonly #idle: (() => void)[] = [];
  readonly #flushing = new Set<readonly Waiting<T, R>[]>();
  readonly #queue: Waiting<T, R>[] = [];
  #pending = 0;
  /** What waits in the queue weighs so much together. */
  #waiting = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  #lastStart = Number.NEGATIVE_INFINITY;

  /**
   * @param flush answers one result per item, in their order: an Error is what that item rejects with. What it throws is what
   *   every item of that flush rejects with.
   */
  constructor(flush: (items: T[]) => Promise<(R | Error)[]>, options: GroupCommitOptions<T> = {}) {
    this.#flush = flush;
    this.#maxItems = options.maxItems ?? 1000;
    this.#weigh = options.weigh ?? (() => 1);
    this.#concurrency = options.concurrency ?? 1;
    this.#maxPending = options.maxPending ?? Number.POSITIVE_INFINITY;
    this.#minIntervalMs = options.minIntervalMs ?? 0;
    this.#timeout = options.timeout;
  }

  /** Items added, and neither settled nor still in a flush that outlasts their timeout. */
  get pending(): number {
    return this.#pending;
  }

  /** Settles when the flush that took the item has; rejects with `GroupCommitFull` when too many are pending. */
  add(item: T): Promise<R> {
    if (this.#pending >= this.#maxPending) return Promise.reject(new GroupCommitFull(this.#maxPending));
    this.#pending++;
    const since = this.#timeout ? performance.now() : 0;
    const settled = new Promise<R>((resolve, reject) => this.#queue.push({ item, since, resolve, reject }));
    this.#waiting += this.#weigh(item);
    this.#schedule();
    if (this.#timeout) this.#watch(this.#timeout);
    return settled;
  }

  /** Resolves when everything added so far, and what is added meanwhile, is settled. */
  drain(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** A microtask later, so that what one caller adds in a loop goes out together. */
  #schedule(): void {
    if (this.#queue.length === 0 || this.#flushing.size >= this.#concurrency) return;
    const full = this.#waiting >= this.#maxItems;
    if (this.#scheduled && !(full && this.#timer)) return;
    this.#scheduled = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const wait = full || this.#minIntervalMs === 0 ? 0 : this.#lastStart + this.#minIntervalMs - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.#start(), wait);
    else queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#scheduled = false;
    this.#timer = undefined;
    if (this.#minIntervalMs > 0) this.#lastStart = performance.now();
    while (this.#queue.length > 0 && this.#flushing.size < this.#concurrency) void this.#flushNext();
  }

  /** How many of the waiting items are flushed together; one at least. */
  #nextLength(): number {
    let weight = 0;
    const beyond = this.#queue.findIndex(({ item }) => (weight += this.#weigh(item)) > this.#maxItems);
    return beyond < 0 ? this.#queue.length : Math.max(1, beyond);
  }

  async #flushNext(): Promise<void> {
    const group = this.#queue.splice(0, this.#nextLength());
    this.#lighten(group);
    this.#flushing.add(group);
    try {
      const results = await this.#flush(group.map(({ item }) => item));
      if (results.length !== group.length) {
        throw new Error(`flush answered ${results.length} results for ${group.length} items`);
      }
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result as R);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      this.#flushing.delete(group);
      this.#settled(group.length);
      this.#schedule();
    }
  }

  /** One timer that looks at the oldest, not one timer per item. */
  #watch(timeout: GroupCommitTimeout<T>): void {
    if (this.#watching) return;
    this.#watching = true;
    setTimeout(() => {
      this.#watching = false;
      this.#expire(timeout);
      if (this.#pending > 0) this.#watch(timeout);
    }, timeout.ms / 10);
  }

  #expire({ ms, error }: GroupCommitTimeout<T>): void {
    const addedBefore = performance.now() - ms;
    // Rejecting once more what a flush has already settled, or an earlier look has rejected, changes nothing.
    for (const group of this.#flushing)
      for (const { item, since, reject } of group) if (since <= addedBefore) reject(error(item));
    const young = this.#queue.findIndex(({ since }) => since > addedBefore);
    const old = this.#queue.splice(0, young === -1 ? this.#queue.length : young);
    this.#lighten(old);
    for (const { item, reject } of old) reject(error(item));
    if (old.length > 0) this.#settled(old.length);
  }

  #lighten(taken: readonly Waiting<T, R>[]): void {
    for (const { item } of taken) this.#waiting -= this.#weigh(item);
  }

  #settled(items: number): void {
    this.#pending -= items;
    if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
