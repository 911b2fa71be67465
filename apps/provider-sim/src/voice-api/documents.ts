import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '../accounts.ts';
import { newIdempotencyToken } from '../callbacks/callback-sender.ts';
import { readOverrides } from '../callbacks/connection-overrides.rules.ts';
import { type PostAnswer, SignedPosts } from '../callbacks/signed-posts.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { Faults } from '../faults/faults.ts';
import { newSid } from '../messages-api/sid.ts';
import type { Call, CallError } from './call.ts';
import { readTwiml, type Verb } from './twiml.rules.ts';

/** To one origin at once; the rest waits, and its callers with it. */
const CONNECTIONS = 512;
const MAX_DOCUMENT = 64 * 1024;

/** Fetches TwiML as Twilio does: a signed form post with 15 s in all, its retries by the connection overrides of the URL. */
@Injectable()
export class Documents implements OnModuleDestroy {
  readonly #posts = new SignedPosts(CONNECTIONS);
  /** Copies that arrive when their call has gone on, by the fault plan. */
  #late = new WeakMap<Call, (() => void)[]>();

  constructor(
    private readonly callbacks: StatusCallbacks,
    private readonly faults: Faults,
  ) {}

  /** undefined when there is no document to play: what went wrong is kept with the call and posted to the debugger. */
  async fetch(
    call: Call,
    account: Account,
    address: string,
    form: Record<string, string>,
  ): Promise<readonly Verb[] | undefined> {
    const { url, overrides } = readOverrides(address);
    const request = { url, form, authToken: account.authToken, token: newIdempotencyToken() };
    const post = async (duplicate: boolean, budgetMs: number) => {
      const begun = performance.now();
      const answer = await this.#posts.post(request, overrides, budgetMs);
      const ms = Math.round(performance.now() - begun);
      call.documents.push({ url, status: answer.status, ms, duplicate, body: answer.body });
      return answer;
    };
    const copy = () => void post(true, overrides.totalTimeout);
    const late = this.#late.get(call) ?? [];
    this.#late.delete(call);

    const deadline = Date.now() + overrides.totalTimeout;
    if (this.faults.happens('duplicate')) copy();
    let answer: PostAnswer;
    for (let attempt = 0; ; attempt++) {
      answer = await post(false, deadline - Date.now());
      const { failure } = answer;
      const pause = this.faults.plan.calls.retryMs * 2 ** attempt;
      const again = failure !== undefined && failure !== 'other' && overrides.retryOn.has(failure);
      if (!again || attempt >= overrides.retryCount || Date.now() + pause >= deadline) break;
      await sleep(pause, undefined, { ref: false });
    }
    for (const send of late) send();
    if (this.faults.happens('reorder')) this.#late.set(call, [copy]);
    return this.#read(call, account, url, answer, Date.now() >= deadline);
  }

  /** Keeps an error with its call and posts it to the debugger, signed. */
  report(call: Call, account: Account, error: CallError, httpStatus = 0): void {
    call.errors.push(error);
    if (account.debuggerUrl === undefined) return;
    void this.callbacks.post({
      url: account.debuggerUrl,
      form: debuggerForm(call, error, httpStatus),
      authToken: account.authToken,
      token: newIdempotencyToken(),
    });
  }

  clear(): void {
    this.#late = new WeakMap();
  }

  onModuleDestroy(): Promise<void> {
    return this.#posts.close();
  }

  #read(call: Call, account: Account, url: string, answer: PostAnswer, outOfTime: boolean) {
    const fault = faultOf(answer, outOfTime);
    if (fault) {
      this.report(call, account, { ...fault, url }, answer.status);
      return undefined;
    }
    // Nothing to say is a document without verbs.
    if (answer.status === 204 || answer.body.trim() === '') return [];
    const document = readTwiml(answer.body);
    if (document.ok) return document.verbs;
    this.report(call, account, { code: document.code, url, detail: document.why }, answer.status);
    return undefined;
  }
}

function faultOf({ failure, status, contentType, body }: PostAnswer, outOfTime: boolean) {
  if (failure === 'ct') return { code: 11205, detail: 'no connection' };
  if (failure === 'rt')
    return outOfTime ? { code: 11203, detail: 'total time-out' } : { code: 11200, detail: 'no answer' };
  if (failure !== undefined) return { code: 11200, detail: `HTTP ${status}` };
  if (Buffer.byteLength(body) > MAX_DOCUMENT) return { code: 11750, detail: `${Buffer.byteLength(body)} bytes` };
  const isXml = /^(text|application)\/xml\b/.test(contentType);
  return isXml || body === '' ? undefined : { code: 12300, detail: contentType };
}

function debuggerForm(call: Call, error: CallError, httpStatus: number): Record<string, string> {
  const message = `An attempt to retrieve content from ${error.url} failed: ${error.detail}`;
  return {
    AccountSid: call.accountSid,
    Level: 'ERROR',
    ParentAccountSid: '',
    Payload: JSON.stringify({
      resource_sid: call.sid,
      service_sid: null,
      error_code: String(error.code),
      more_info: {
        msg: message,
        Msg: message,
        sourceComponent: '12000',
        ErrorCode: String(error.code),
        httpResponse: String(httpStatus),
        url: error.url,
        LogLevel: 'ERROR',
      },
      webhook: { type: 'application/json', request: {} },
    }),
    PayloadType: 'application/json',
    Sid: newSid('NO'),
    Timestamp: `${new Date().toISOString().slice(0, 19)}Z`,
  };
}
