import { createHash } from 'node:crypto';
import { sign } from '@signalbox/twilio';
import { Agent, request } from 'undici';
import type { ConnectionOverrides, Failure } from './connection-overrides.rules.ts';

interface Addressed {
  /** With connection overrides, if any. */
  url: string;
  authToken: string;
}

/** A form, or JSON text, as Event Streams posts it. */
type Content = { form: Record<string, string> } | { json: string };

export type Told = Addressed & Content;

/** `token`: the same for every copy and every retry of one callback. */
export type Callback = Told & { token: string };

/** `failure` is absent when the answer is 2xx; `status` is 0 when there was no answer. */
export interface PostAnswer {
  failure?: Failure | 'other';
  status: number;
  contentType: string;
  body: string;
}

const noAnswer = { status: 0, contentType: '', body: '' };

/** Signed posts as Twilio makes them, one attempt at a time. */
export class SignedPosts {
  readonly #agents = new Map<number, Agent>();

  /** @param connections to one origin at once */
  constructor(private readonly connections: number) {}

  /** @param callback its URL without overrides; never rejects */
  async post(callback: Callback, overrides: ConnectionOverrides, budgetMs: number): Promise<PostAnswer> {
    try {
      const { url, type, signature, body } = signed(callback);
      const response = await request(url, {
        method: 'POST',
        headers: {
          'content-type': type,
          'x-twilio-signature': signature,
          'i-twilio-idempotency-token': callback.token,
          'user-agent': 'TwilioProxy/1.1',
          accept: '*/*',
        },
        body,
        dispatcher: this.#agent(overrides.connectTimeout),
        headersTimeout: overrides.readTimeout,
        bodyTimeout: overrides.readTimeout,
        signal: AbortSignal.timeout(Math.max(budgetMs, 1)),
      });
      const text = await response.body.text();
      const status = response.statusCode;
      const contentType = String(response.headers['content-type'] ?? '');
      const failure = failureOf(status);
      return { status, contentType, body: text, ...(failure && { failure }) };
    } catch (error) {
      return { ...noAnswer, failure: isConnectFailure(error) ? 'ct' : 'rt' };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  /** The connect timeout belongs to the pool in undici, so there is a pool for each that is asked for. */
  #agent(connectTimeout: number): Agent {
    let agent = this.#agents.get(connectTimeout);
    if (!agent) {
      agent = new Agent({ connect: { timeout: connectTimeout }, connections: this.connections });
      this.#agents.set(connectTimeout, agent);
    }
    return agent;
  }
}

function signed(callback: Callback): { url: string; type: string; signature: string; body: string } {
  const { url, authToken } = callback;
  if ('form' in callback) {
    const { form } = callback;
    const type = 'application/x-www-form-urlencoded; charset=utf-8';
    return { url, type, signature: sign({ authToken, url, params: form }), body: new URLSearchParams(form).toString() };
  }
  // The hash of a JSON body is in the URL, and with it in the signature.
  const { json } = callback;
  const hashed = `${url}?bodySHA256=${createHash('sha256').update(json).digest('hex')}`;
  return { url: hashed, type: 'application/json', signature: sign({ authToken, url: hashed, json }), body: json };
}

function failureOf(status: number): Failure | 'other' | undefined {
  const hundreds = Math.floor(status / 100);
  if (hundreds === 2) return undefined;
  return hundreds === 4 ? '4xx' : hundreds === 5 ? '5xx' : 'other';
}

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
