import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Milliseconds; default 20,000. It only bounds a failing test: a passing one ends as soon as the assertion holds. */
  readonly timeout?: number;
  /** Milliseconds between two attempts; default 25. */
  readonly interval?: number;
}

/**
 * Repeats an assertion until it does not throw, and resolves to what it returned.
 * @throws the assertion's last error when the time is up.
 */
export async function eventually<T>(assertion: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeout = 20_000, interval = 25 } = options;
  const deadline = Date.now() + timeout;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
    }
    await delay(interval);
  }
}
