import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OnModuleDestroy } from '@nestjs/common';
import { sign } from '@signalbox/twilio';
import { Agent, request } from 'undici';
import { type ConnectionOverrides, type Failure, readOverrides } from './connection-overrides.rules.ts';
import { Lane } from './lane.ts';

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

export interface Callback {
  /** With connection overrides, if any. */
  url: string;
  form: Record<string, string>;
  authToken: string;
  /** The same for every copy and every retry of one callback. */
  token: string;
}

/** Posts signed callbacks as Twilio does, per the connection overrides of their URL. An unreachable target is counted. */
export class CallbackSender implements OnModuleDestroy {
  #counters = noCounts();
  #lanes = new Map<string, Lane>();
  readonly #agents = new Map<number, Agent>();

  get counters(): CallbackCounters {
    return { ...this.#counters };
  }

  /** Settles when the callback is delivered or given up; never rejects. */
  async send(callback: Callback): Promise<void> {
    const { url, overrides } = readOverrides(callback.url);
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
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  async #deliver(
    { form, authToken, token }: Callback,
    url: string,
    overrides: ConnectionOverrides,
    counters: CallbackCounters,
  ) {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-twilio-signature': sign({ authToken, url, params: form }),
      'i-twilio-idempotency-token': token,
      'user-agent': 'TwilioProxy/1.1',
      accept: '*/*',
    };
    const body = new URLSearchParams(form).toString();
    const deadline = Date.now() + overrides.totalTimeout;
    for (let attempt = 0; ; attempt++) {
      counters.requests++;
      const failure = await this.#post(url, headers, body, overrides, deadline - Date.now());
      if (failure === undefined) return true;
      const pause = FIRST_RETRY_MS * 2 ** attempt;
      const again = attempt < overrides.retryCount && failure !== 'other' && overrides.retryOn.has(failure);
      if (!again || Date.now() + pause >= deadline) return false;
      await sleep(pause, undefined, { ref: false });
      counters.retried++;
    }
  }

  async #post(
    url: string,
    headers: Record<string, string>,
    body: string,
    overrides: ConnectionOverrides,
    budgetMs: number,
  ): Promise<Failure | 'other' | undefined> {
    try {
      const response = await request(url, {
        method: 'POST',
        headers,
        body,
        dispatcher: this.#agent(overrides.connectTimeout),
        headersTimeout: overrides.readTimeout,
        bodyTimeout: overrides.readTimeout,
        signal: AbortSignal.timeout(Math.max(budgetMs, 1)),
      });
      await response.body.dump();
      const hundreds = Math.floor(response.statusCode / 100);
      if (hundreds === 2) return undefined;
      return hundreds === 4 ? '4xx' : hundreds === 5 ? '5xx' : 'other';
    } catch (error) {
      return isConnectFailure(error) ? 'ct' : 'rt';
    }
  }

  #lane(origin: string): Lane {
    let lane = this.#lanes.get(origin);
    if (!lane) this.#lanes.set(origin, (lane = new Lane(CONCURRENCY)));
    return lane;
  }

  /** The connect timeout belongs to the pool in undici, so there is a pool for each that is asked for. */
  #agent(connectTimeout: number): Agent {
    let agent = this.#agents.get(connectTimeout);
    if (!agent) {
      agent = new Agent({ connect: { timeout: connectTimeout }, connections: CONCURRENCY });
      this.#agents.set(connectTimeout, agent);
    }
    return agent;
  }
}

export const newIdempotencyToken = (): string => randomUUID();

const connectFailures = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function isConnectFailure(error: unknown): boolean {
  const reasons: unknown[] = error instanceof AggregateError ? [error, ...(error.errors as unknown[])] : [error];
  return reasons.some((reason) => connectFailures.has(String((reason as NodeJS.ErrnoException | undefined)?.code)));
}

const noCounts = (): CallbackCounters => ({ pending: 0, requests: 0, retried: 0, delivered: 0, failed: 0 });
