export interface BatchesOptions<Item, Result> {
  /** Hands a batch over; must answer for each item in its order, and not throw. */
  readonly handOver: (key: string, items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxItems: number;
  /** Sum of `sizeOf`. */
  readonly maxSize: number;
  readonly sizeOf: (item: Item) => number;
  /** Two items of which this is the same do not share a batch. */
  readonly distinct: (item: Item) => string;
  /** How long the first item of a batch waits for others, milliseconds. */
  readonly windowMs: number;
}

interface Batch<Item, Result> {
  readonly entries: {
    readonly item: Item;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }[];
  readonly seen: Set<string>;
  size: number;
  readonly timer: NodeJS.Timeout;
}

/** Gathers items of one key that come at about the same time, so that one call can be made for all of them. */
export class Batches<Item, Result> {
  readonly #options: BatchesOptions<Item, Result>;
  readonly #open = new Map<string, Batch<Item, Result>>();

  constructor(options: BatchesOptions<Item, Result>) {
    this.#options = options;
  }

  add(key: string, item: Item): Promise<Result> {
    const { maxItems, maxSize, sizeOf, distinct, windowMs } = this.#options;
    const size = sizeOf(item);
    const full = this.#open.get(key);
    if (full && (full.size + size > maxSize || full.seen.has(distinct(item)))) this.#close(key, full);
    let batch = this.#open.get(key);
    if (!batch) {
      const opened = {
        entries: [],
        seen: new Set<string>(),
        size: 0,
        timer: setTimeout(() => this.#close(key, opened), windowMs),
      } as Batch<Item, Result>;
      this.#open.set(key, (batch = opened));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    batch.entries.push({ item, resolve, reject });
    batch.seen.add(distinct(item));
    batch.size += size;
    if (batch.entries.length >= maxItems) this.#close(key, batch);
    return promise;
  }

  #close(key: string, batch: Batch<Item, Result>): void {
    clearTimeout(batch.timer);
    if (this.#open.get(key) === batch) this.#open.delete(key);
    const items = batch.entries.map(({ item }) => item);
    this.#options.handOver(key, items).then(
      (results) => batch.entries.forEach(({ resolve }, index) => resolve(results[index] as Result)),
      (error: unknown) => batch.entries.forEach(({ reject }) => reject(error)),
    );
  }
}
