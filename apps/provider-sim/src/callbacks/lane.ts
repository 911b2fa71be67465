/** Lets so many through at once; the others wait in the order they came. */
export class Lane {
  #active = 0;
  #waiting: (() => void)[] = [];
  /** Where the queue begins: shifting a long array at every turn would cost its length each time. */
  #head = 0;

  constructor(private readonly width: number) {}

  async enter(): Promise<void> {
    if (this.#active < this.width) {
      this.#active++;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the place on to who waits first. */
  leave(): void {
    const next = this.#waiting[this.#head];
    if (!next) {
      this.#active--;
      this.#waiting = [];
      this.#head = 0;
      return;
    }
    this.#head++;
    if (this.#head === 1024) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    next();
  }
}
