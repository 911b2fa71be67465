/** Prints a line for each step when it is done, and now and then one for a step that takes long. */
export class Steps {
  readonly #begin = performance.now();
  readonly #all: Promise<unknown>[] = [];

  step<T>(name: string, work: () => Promise<T>, outcome: (result: T) => string = () => ''): Promise<T> {
    const result = this.#run(name, work, outcome);
    this.#all.push(result);
    return result;
  }

  /** Resolves when no step is under way, whatever became of them. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#all);
  }

  async #run<T>(name: string, work: () => Promise<T>, outcome: (result: T) => string): Promise<T> {
    const begin = performance.now();
    const patience = setInterval(() => console.log(`  … ${name.padEnd(20)}${seconds(begin)} so far`), 10_000);
    try {
      const result = await work();
      console.log(`  ✓ ${name.padEnd(20)}${seconds(begin)}  ${outcome(result)}`.trimEnd());
      return result;
    } catch (error) {
      console.log(`  ✗ ${name.padEnd(20)}${seconds(begin)}`);
      throw error;
    } finally {
      clearInterval(patience);
    }
  }

  /** Since the first step. */
  total(): string {
    return seconds(this.#begin).trim();
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;
}
