import { sign } from '@signalbox/twilio';
import { randomBytes, randomUUID } from 'node:crypto';
import { elementsOf } from './flows.ts';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface CallerOptions {
  /** Where the service listens. */
  readonly url: string;
  /** The base the URLs of documents begin with, and that is signed. */
  readonly base: string;
  readonly accountSid: string;
  readonly authToken: string;
  readonly params?: Readonly<Record<string, string>>;
}

/** A call as Twilio leads it: signed form posts, each to where the last document says. */
export class TwilioCaller {
  readonly callSid = `CA${randomBytes(16).toString('hex')}`;
  readonly #options: CallerOptions;
  /** Where the last document leads. */
  next = '';
  /** Where who waits is played to. */
  wait = '';
  document = '';

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Takes a document, and goes on where it leads. */
  async go(target: string, params: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await this.post(target, params);
    if (answer.status === 200) this.follow(answer.body);
    return answer;
  }

  /** Presses keys, or whatever else the last document asked for. */
  answer(params: Readonly<Record<string, string>>): Promise<Answer> {
    return this.go(this.next, params);
  }

  /** A request that the call takes no notice of: a repeat, a late one. */
  async post(
    target: string,
    params: Readonly<Record<string, string>> = {},
    changes: RequestInit = {},
  ): Promise<Answer> {
    const { url, base, accountSid, authToken } = this.#options;
    const path = target.replace(base, '').replace(/#.*$/, '');
    const form = {
      AccountSid: accountSid,
      ApiVersion: '2010-04-01',
      CallSid: this.callSid,
      CallStatus: 'in-progress',
      Direction: 'inbound',
      From: '+14155550199',
      To: '+14155550100',
      ...this.#options.params,
      ...params,
    };
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': sign({ url: `${base}${path}`, params: form, authToken }),
        'i-twilio-idempotency-token': randomUUID(),
      },
      body: new URLSearchParams(form).toString(),
      ...changes,
    });
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() };
  }

  follow(document: string): void {
    this.document = document;
    const elements = elementsOf(document);
    this.next = elements.map(({ attributes }) => attributes['action']).find((action) => action !== undefined) ?? '';
    this.wait = elements.map(({ attributes }) => attributes['waitUrl']).find((url) => url !== undefined) ?? '';
  }

  /** What is heard in the last document. */
  get heard(): string {
    return elementsOf(this.document)
      .filter(({ name }) => name === 'Say')
      .map(({ text }) => text)
      .join(' ');
  }

  get elements() {
    return elementsOf(this.document).map(({ name }) => name);
  }
}
