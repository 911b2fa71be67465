/** Counts occurrences by key within a window that ends now; what is older is forgotten. Times in milliseconds. */
export class SlidingWindow {
  #times = new Map<string, number[]>();

  constructor(private readonly spanMs: number) {}

  /** How many there were within the window. */
  count(key: string, now: number): number {
    return this.#recent(key, now).length;
  }

  add(key: string, now: number): void {
    this.#times.set(key, [...this.#recent(key, now), now]);
  }

  clear(): void {
    this.#times = new Map();
  }

  #recent(key: string, now: number): number[] {
    return (this.#times.get(key) ?? []).filter((time) => time > now - this.spanMs);
  }
}
