import type { EachBatchPayload } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Interrupted } from './deliver.ts';
import { isMembershipLost } from './kafka-errors.ts';

/** Keeps the consumer in its group while a handler runs or a retry waits, and knows when that is over. */
export class Membership {
  readonly #heartbeat: () => Promise<void>;
  readonly #lostSignal = new AbortController();
  readonly #ending: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #lost: Error | undefined;

  constructor({ heartbeat }: Pick<EachBatchPayload, 'heartbeat'>, everyMs: number, stopping: AbortSignal) {
    this.#heartbeat = heartbeat;
    this.#ending = AbortSignal.any([stopping, this.#lostSignal.signal]);
    this.#timer = setInterval(() => void this.#beat(), everyMs);
  }

  /** What ended the membership, to be thrown to kafkajs, which then joins again. */
  get lost(): Error | undefined {
    return this.#lost;
  }

  /** Stopping or out of the group: what is running may finish, nothing new is begun. */
  get ending(): boolean {
    return this.#ending.aborted;
  }

  lose(error: Error): void {
    this.#lost ??= error;
    this.#lostSignal.abort();
  }

  /** Rejects with `Interrupted` as soon as the membership is ending. */
  async wait(ms: number): Promise<void> {
    try {
      this.#ending.throwIfAborted();
      if (ms > 0) await sleep(ms, undefined, { signal: this.#ending });
    } catch {
      throw new Interrupted();
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    try {
      await this.#heartbeat();
    } catch (error) {
      // A coordinator that does not answer may be back before the session times out; the next beat asks again.
      if (isMembershipLost(error)) this.lose(error);
    }
  }
}
