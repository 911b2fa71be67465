import { isIP } from 'node:net';
import { type Agent, type Dispatcher, request } from 'undici';
import type { HttpAnswer, HttpQuestion } from '../flow/verbs.ts';
import { kindOfAddress, listOf } from './address.rules.ts';
import { checkedAgent } from './checked-agent.ts';

export interface QuestionsOptions {
  /** CIDR ranges of private addresses that flows may ask, over plain http too. */
  readonly privateRanges: readonly string[];
  /** What a tenant's server wants to see besides: secrets, by its host. */
  readonly headersOf: (tenant: string, host: string) => Readonly<Record<string, string>>;
}

/** Refused, or not usable as an answer. */
export class QuestionFailed extends Error {
  override readonly name = 'QuestionFailed';
}

/**
 * Asks tenants' servers what http nodes want to know: over https, at public addresses, within bounds. Where a name leads is
 * looked at when the connection is made, so that no name can lead inside by changing its address in between.
 */
export class Questions {
  readonly #options: QuestionsOptions;
  readonly #mayAsk: Readonly<Record<string, (address: string) => boolean>>;
  readonly #agents: Readonly<Record<string, Agent>>;

  constructor(options: QuestionsOptions) {
    this.#options = options;
    const allowed = listOf(options.privateRanges);
    this.#mayAsk = {
      'https:': (address) => kindOfAddress(address, allowed) !== 'refused',
      // Nothing goes over the internet unencrypted.
      'http:': (address) => kindOfAddress(address, allowed) === 'allowed',
    };
    this.#agents = Object.fromEntries(
      Object.entries(this.#mayAsk).map(([protocol, mayAsk]) => [protocol, checkedAgent(mayAsk)]),
    );
  }

  /**
   * The JSON of a 2xx answer. Redirects are not followed.
   *
   * @param token the same for a repeat of the question
   * @param budgetMs how long it may take at most, whatever the node says
   * @throws whatever kept it from coming
   */
  async ask(tenant: string, question: HttpQuestion, token: string, budgetMs: number): Promise<HttpAnswer> {
    const url = new URL(question.url);
    const mayAsk = this.#mayAsk[url.protocol];
    const dispatcher = this.#agents[url.protocol];
    if (!mayAsk || !dispatcher) throw new QuestionFailed(`${url.protocol} is not https`);
    if (url.username || url.password) throw new QuestionFailed('the URL has credentials');
    const literal = url.hostname.replace(/^\[|\]$/g, '');
    // An address is connected to without a look-up.
    if (isIP(literal) !== 0 && !mayAsk(literal)) throw new QuestionFailed('the address may not be asked');
    const { statusCode, body } = await request(url, {
      dispatcher,
      method: question.method,
      headers: {
        accept: 'application/json',
        'idempotency-key': token,
        ...(question.body && { 'content-type': 'application/json' }),
        ...this.#options.headersOf(tenant, url.host),
      },
      body: question.body ? JSON.stringify(question.body) : null,
      signal: AbortSignal.timeout(Math.max(1, Math.min(question.timeoutMs, budgetMs))),
    });
    const text = await readBounded(body, question.maxBytes);
    if (statusCode < 200 || statusCode > 299) throw new QuestionFailed(`status ${statusCode}`);
    return { ok: true, json: JSON.parse(text) as unknown };
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#agents).map((agent) => agent.destroy()));
  }
}

async function readBounded(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) {
      body.destroy();
      throw new QuestionFailed(`more than ${maxBytes} bytes`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
