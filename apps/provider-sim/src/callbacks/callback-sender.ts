import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OnModuleDestroy } from '@nestjs/common';
import { type ConnectionOverrides, readOverrides } from './connection-overrides.rules.ts';
import { Lane } from './lane.ts';
import { type Callback, SignedPosts } from './signed-posts.ts';

/** Callbacks under way to one origin at once; the rest waits. */
const CONCURRENCY = 64;
const FIRST_RETRY_MS = 100;

export interface CallbackCounters {
  /** Waiting or under way. */
  pending: number;
  /** Requests made, retries included. */
  requests: number;
  retried: number;
  /** Answered with 2xx. */
  delivered: number;
  /** Given up. */
  failed: number;
}

/** Event Streams knows no overrides: it tries again for hours, whatever went wrong. */
const eventStreams: ConnectionOverrides = {
  connectTimeout: 5_000,
  readTimeout: 5_000,
  totalTimeout: 4 * 3_600_000,
  retryCount: 16,
  retryOn: new Set(['4xx', '5xx', 'ct', 'rt']),
};

/** Posts signed callbacks as Twilio does, forms per the connection overrides of their URL. An unreachable target is counted. */
export class CallbackSender implements OnModuleDestroy {
  #counters = noCounts();
  #lanes = new Map<string, Lane>();
  readonly #posts = new SignedPosts(CONCURRENCY);

  get counters(): CallbackCounters {
    return { ...this.#counters };
  }

  /** Settles when the callback is delivered or given up; never rejects. */
  async send(callback: Callback): Promise<void> {
    const { url, overrides } =
      'form' in callback ? readOverrides(callback.url) : { url: callback.url, overrides: eventStreams };
    const counters = this.#counters;
    const lane = this.#lane(new URL(url).origin);
    counters.pending++;
    await lane.enter();
    try {
      const delivered = await this.#deliver(callback, url, overrides, counters);
      if (delivered) counters.delivered++;
      else counters.failed++;
    } finally {
      counters.pending--;
      lane.leave();
    }
  }

  /** Forgets what waits and starts counting anew; what is under way is not called back. */
  clear(): void {
    this.#lanes = new Map();
    this.#counters = noCounts();
  }

  async onModuleDestroy(): Promise<void> {
    this.clear();
    await this.#posts.close();
  }

  async #deliver(callback: Callback, url: string, overrides: ConnectionOverrides, counters: CallbackCounters) {
    const deadline = Date.now() + overrides.totalTimeout;
    for (let attempt = 0; ; attempt++) {
      counters.requests++;
      const { failure } = await this.#posts.post({ ...callback, url }, overrides, deadline - Date.now());
      if (failure === undefined) return true;
      const pause = FIRST_RETRY_MS * 2 ** attempt;
      const again = attempt < overrides.retryCount && failure !== 'other' && overrides.retryOn.has(failure);
      if (!again || Date.now() + pause >= deadline) return false;
      await sleep(pause, undefined, { ref: false });
      counters.retried++;
    }
  }

  #lane(origin: string): Lane {
    let lane = this.#lanes.get(origin);
    if (!lane) this.#lanes.set(origin, (lane = new Lane(CONCURRENCY)));
    return lane;
  }
}

export const newIdempotencyToken = (): string => randomUUID();

const noCounts = (): CallbackCounters => ({ pending: 0, requests: 0, retried: 0, delivered: 0, failed: 0 });
