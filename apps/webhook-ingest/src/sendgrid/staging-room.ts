import type { Readable } from 'node:stream';

export interface RoomLimits {
  /** Posts that are taken down at once; each may be as large as an email may be. */
  readonly places: number;
  /** Posts that wait for one of them, unread; a source may have a quarter of them. */
  readonly maxWaiting: number;
  readonly patienceMs: number;
}

interface Waiting {
  readonly source: string;
  admit(): void;
}

/**
 * Places for posts that go to disk before their sender is proven. One source has half of them at most, and a place that gets free goes
 * to the source that has the fewest, so that nobody can keep others out for longer than a request may take.
 */
export class StagingRoom {
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(private readonly limits: RoomLimits) {}

  /**
   * Waits for a place, while nothing of the body is read.
   * @returns what gives the place back; undefined when none got free in time, too many wait already, or the sender has left
   */
  async enter(source: string, body: Readable): Promise<(() => void) | undefined> {
    if (this.#isOpenTo(source)) this.#take(source);
    else if (!this.#mayWait(source) || !(await this.#wait(source, body))) return undefined;
    return () => this.#leave(source);
  }

  #isOpenTo(source: string): boolean {
    const { places } = this.limits;
    return this.#total() < places && this.#of(source) < Math.max(1, Math.floor(places / 2));
  }

  #mayWait(source: string): boolean {
    const { maxWaiting } = this.limits;
    const own = [...this.#waiting].filter((waiting) => waiting.source === source).length;
    return this.#waiting.size < maxWaiting && own < Math.max(1, Math.floor(maxWaiting / 4));
  }

  #wait(source: string, body: Readable): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (admitted: boolean) => {
        clearTimeout(timer);
        body.off('close', left);
        this.#waiting.delete(waiting);
        if (admitted) this.#take(source);
        resolve(admitted);
      };
      const left = () => end(false);
      const waiting: Waiting = { source, admit: () => end(true) };
      const timer = setTimeout(() => end(false), this.limits.patienceMs);
      body.once('close', left);
      this.#waiting.add(waiting);
    });
  }

  #take(source: string): void {
    this.#taken.set(source, this.#of(source) + 1);
  }

  #leave(source: string): void {
    const left = this.#of(source) - 1;
    if (left === 0) this.#taken.delete(source);
    else this.#taken.set(source, left);
    const [next] = [...this.#waiting]
      .filter((waiting) => this.#isOpenTo(waiting.source))
      .sort((a, b) => this.#of(a.source) - this.#of(b.source));
    next?.admit();
  }

  #of(source: string): number {
    return this.#taken.get(source) ?? 0;
  }

  #total(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
  }
}
