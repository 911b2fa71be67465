export interface GroupCommitOptions {
  /** Items handed to one flush. Default 1000. */
  readonly maxItems?: number;
  /** Flushes under way at once; above 1 the order between flushes is not kept. Default 1. */
  readonly concurrency?: number;
  /** Items waiting or being flushed; above it `add` rejects. Default unbounded. */
  readonly maxPending?: number;
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
  readonly resolve: (result: R) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Collects what arrives while a flush is under way and flushes it all as the next one: no linger timer, so a lone item
 * waits for nothing and the batch size follows the load. Items are flushed in the order they were added.
 */
export class GroupCommit<T, R = void> {
  readonly #flush: (items: T[]) => Promise<R[]>;
  readonly #maxItems: number;
  readonly #concurrency: number;
  readonly #maxPending: number;
  readonly #idle: (() => void)[] = [];
  #queue: Waiting<T, R>[] = [];
  #flushes = 0;
  #pending = 0;
  #scheduled = false;

  /** @param flush answers one result per item, in their order; what it throws is what every item of that flush rejects with. */
  constructor(flush: (items: T[]) => Promise<R[]>, options: GroupCommitOptions = {}) {
    this.#flush = flush;
    this.#maxItems = options.maxItems ?? 1000;
    this.#concurrency = options.concurrency ?? 1;
    this.#maxPending = options.maxPending ?? Number.POSITIVE_INFINITY;
  }

  /** Items added and not settled yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Settles when the flush that took the item has; rejects with `GroupCommitFull` when too many are pending. */
  add(item: T): Promise<R> {
    if (this.#pending >= this.#maxPending) return Promise.reject(new GroupCommitFull(this.#maxPending));
    this.#pending++;
    const settled = new Promise<R>((resolve, reject) => this.#queue.push({ item, resolve, reject }));
    this.#schedule();
    return settled;
  }

  /** Resolves when everything added so far, and what is added meanwhile, is settled. */
  drain(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** A microtask later, so that what one caller adds in a loop goes out together. */
  #schedule(): void {
    if (this.#scheduled || this.#flushes >= this.#concurrency) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#flushes < this.#concurrency) void this.#flushNext();
    });
  }

  async #flushNext(): Promise<void> {
    const group = this.#queue.length <= this.#maxItems ? this.#queue : this.#queue.slice(0, this.#maxItems);
    this.#queue = group === this.#queue ? [] : this.#queue.slice(this.#maxItems);
    this.#flushes++;
    try {
      const results = await this.#flush(group.map(({ item }) => item));
      if (results.length !== group.length) {
        throw new Error(`flush answered ${results.length} results for ${group.length} items`);
      }
      group.forEach(({ resolve }, index) => resolve(results[index] as R));
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      this.#flushes--;
      this.#pending -= group.length;
      this.#schedule();
      if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }
}
