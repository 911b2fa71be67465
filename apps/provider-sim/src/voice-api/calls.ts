import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { type Account, Accounts } from '../accounts.ts';
import { StatusCallbacks } from '../callbacks/status-callbacks.ts';
import { Faults } from '../faults/faults.ts';
import { newIdempotencyToken } from '../callbacks/callback-sender.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { newSid } from '../messages-api/sid.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';
import { Timers } from '../timers.ts';
import { type Call, type CallEvent, CallLedger, type CallSettings, type CallStatus, finalStatuses } from './call.ts';
import { callStatusForm } from './call-form.rules.ts';
import { readCallRequest, readSource } from './call-request.rules.ts';
import { Performance } from './performance.ts';
import { script } from './script.ts';
import { type DialLeg, type Leg, Stage } from './stage.ts';

/** A person calls in: what `POST /_sim/inbound` takes with `kind: "call"`. */
export const inboundCall = z.strictObject({
  kind: z.literal('call'),
  from: z.string().min(1),
  to: z.string().min(1),
  script: script.default([]),
});
export type InboundCall = z.output<typeof inboundCall>;

const PRICED_AFTER_MS = 300;
const TALK_S = 10;
/** How long machine detection listens. */
const DETECTION_S = { human: 1, machine_start: 3, fax: 2, unknown: 5 } as const;
const MESSAGE_S = 8;

const sipCodes: Partial<Record<CallStatus, number>> = {
  completed: 200,
  busy: 486,
  'no-answer': 487,
  failed: 404,
  canceled: 487,
};

/** Calls of all accounts: made over the API, from within a call, or by people who call in. */
@Injectable()
export class Calls {
  /** When the next call of an account may begin to ring, in epoch milliseconds. */
  readonly #nextRing = new Map<string, number>();
  #playing = new Map<string, Performance>();

  constructor(
    readonly ledger: CallLedger,
    private readonly accounts: Accounts,
    private readonly callbacks: StatusCallbacks,
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly stage: Stage,
  ) {
    stage.dialLeg = this.#dialLeg;
  }

  /** Synchronous from the first check to the entry in the ledger, so nothing can come between. */
  create(account: Account, form: Form): Call {
    const reading = readCallRequest(form, account);
    if (!reading.ok)
      throw new TwilioError(reading.code, reading.detail === undefined ? {} : { detail: reading.detail });
    const { to, from, ...settings } = reading.request;
    const refusal = this.faults.refusal(to);
    if (refusal) throw new TwilioError(refusal.code, refusal);
    const { maxConcurrent = Infinity } = this.faults.plan.calls;
    if (this.#unfinished(account) >= maxConcurrent) throw new TwilioError(10004);

    const callee = this.faults.callee(to);
    const call = newCall(account, 'outbound-api', to, from, { ...settings, script: callee.script });
    this.ledger.add(call);
    this.timers.after(this.#queueing(account), () => this.#dial(call, account, callee));
    return call;
  }

  find(account: Account, sid: string): Call {
    const call = this.ledger.find(account.accountSid, sid);
    if (!call) throw new TwilioError(20404);
    return call;
  }

  /** Ends the call, or lets it go on elsewhere. */
  update(call: Call, form: Form): void {
    const status = form['Status'];
    if (status !== undefined && status !== 'canceled' && status !== 'completed')
      throw new TwilioError(20001, { detail: 'Status' });
    const redirects = form['Url'] !== undefined || form['Twiml'] !== undefined;
    const source = redirects ? readSource(form) : undefined;
    if (redirects && !source) throw new TwilioError(21205);
    if (source && call.status !== 'in-progress') throw new TwilioError(21220);
    if (source) this.#playing.get(call.sid)?.interrupt({ redirect: source });
    // `canceled` leaves alone who talks already.
    const talks = call.status === 'in-progress';
    if (status === 'completed' && talks) this.#playing.get(call.sid)?.interrupt({ hangup: true });
    else if (status !== undefined && !talks && !finalStatuses.has(call.status)) this.#end(call, 'canceled');
  }

  remove(call: Call): void {
    if (!finalStatuses.has(call.status)) throw new TwilioError(20009);
    call.deleted = true;
  }

  /** Somebody calls a number of ours; undefined when no account owns it, or nothing answers it. */
  receive({ from, to, script: steps }: InboundCall): { sid: string; webhook: string } | undefined {
    const account = this.accounts.bySender(to);
    if (account?.voiceUrl === undefined) return undefined;
    const call = newCall(account, 'inbound', to, from, {
      source: { url: account.voiceUrl },
      fallbackUrl: account.voiceFallbackUrl ?? null,
      statusCallback: account.voiceStatusCallback ?? null,
      statusCallbackEvents: ['completed'],
      ringSeconds: 60,
      timeLimit: 14_400,
      machineDetection: 'off',
      asyncAmdCallback: null,
      record: false,
      recordingStatusCallback: null,
      script: steps,
    });
    this.ledger.add(call);
    call.status = 'ringing';
    call.startedAt = call.createdAt;
    void this.#perform(call, account);
    return { sid: call.sid, webhook: account.voiceUrl };
  }

  clear(): void {
    for (const playing of this.#playing.values()) playing.interrupt({ hangup: true });
    this.#playing = new Map();
    this.#nextRing.clear();
    this.ledger.clear();
    this.stage.documents.clear();
    this.stage.recordings.clear();
    this.stage.conferences.clear();
    this.stage.queues.clear();
  }

  #unfinished(account: Account): number {
    let count = 0;
    for (const call of this.ledger.newestFirst()) {
      if (call.accountSid === account.accountSid && call.endedAt === null) count++;
    }
    return count;
  }

  /** Milliseconds until the call begins to be dialled: beyond the account's rate it waits its turn. */
  #queueing(account: Account): number {
    const { perSecond } = this.faults.plan.calls;
    const delay = this.faults.stepDelayMs();
    if (perSecond === undefined) return delay;
    const now = Date.now();
    const turn = Math.max(now, this.#nextRing.get(account.accountSid) ?? 0);
    this.#nextRing.set(account.accountSid, turn + 1000 / perSecond);
    return turn - now + delay;
  }

  #dial(call: Call, account: Account, callee: ReturnType<Faults['callee']>): void {
    if (call.status !== 'queued') return;
    call.startedAt = Date.now();
    this.#enter(call, 'initiated', 'initiated');
    this.timers.after(this.faults.stepDelayMs(), () => {
      if (call.status !== 'initiated') return;
      if (callee.outcome === 'failed') {
        this.#end(call, 'failed');
        return;
      }
      this.#enter(call, 'ringing', 'ringing');
      const rings = callee.outcome === 'no-answer' ? call.settings.ringSeconds : callee.ringSeconds;
      const late = rings > call.settings.ringSeconds;
      const ringMs = (Math.min(rings, call.settings.ringSeconds) * 1000) / this.stage.speed;
      this.timers.after(Math.max(ringMs, this.faults.stepDelayMs()), () => {
        if (call.status !== 'ringing') return;
        if (callee.outcome === 'busy') this.#end(call, 'busy');
        else if (callee.outcome === 'no-answer' || late) this.#end(call, 'no-answer');
        else void this.#answered(call, account, callee.answeredBy);
      });
    });
  }

  async #answered(call: Call, account: Account, by: keyof typeof DETECTION_S): Promise<void> {
    this.#enter(call, 'in-progress', 'answered');
    const { machineDetection, asyncAmdCallback } = call.settings;
    if (machineDetection === 'off') return this.#perform(call, account);
    const waits = machineDetection === 'DetectMessageEnd' && by === 'machine_start';
    const answeredBy = waits ? 'machine_end_beep' : by;
    const seconds = DETECTION_S[by] + (waits ? MESSAGE_S : 0);
    const detected = () => {
      call.answeredBy = answeredBy;
      call.updatedAt = Date.now();
    };
    if (asyncAmdCallback !== null) {
      this.timers.after((seconds * 1000) / this.stage.speed, () => {
        detected();
        void this.callbacks.post({
          url: asyncAmdCallback,
          form: {
            AccountSid: call.accountSid,
            CallSid: call.sid,
            AnsweredBy: answeredBy,
            MachineDetectionDuration: String(seconds * 1000),
          },
          authToken: account.authToken,
          token: newIdempotencyToken(),
        });
      });
      return this.#perform(call, account);
    }
    return this.#perform(call, account, async (performance) => {
      await performance.pass(seconds);
      detected();
    });
  }

  /** Plays the call's TwiML from the first document on, and ends it. */
  async #perform(call: Call, account: Account, before?: (performance: Performance) => Promise<void>): Promise<void> {
    let rejected: CallStatus | undefined;
    const performance = new Performance(
      call,
      account,
      this.stage,
      () => {
        if (call.status === 'ringing') this.#enter(call, 'in-progress', 'answered');
      },
      (reason) => {
        rejected = reason === 'busy' ? 'busy' : 'no-answer';
      },
    );
    this.#playing.set(call.sid, performance);
    await performance.play(call.settings.source, before);
    // After a reset nobody is to hear of it any more.
    if (this.#playing.get(call.sid) !== performance) return;
    this.#playing.delete(call.sid);
    if (call.settings.record && call.seconds > 0) this.#keepRecording(call);
    this.#end(call, rejected ?? 'completed');
  }

  #keepRecording(call: Call): void {
    const { accountSid, sid: callSid, seconds, settings } = call;
    const url = settings.recordingStatusCallback;
    this.stage.recordings.add(
      { accountSid, callSid, conferenceSid: null, source: 'OutboundAPI', channels: 1, seconds },
      url === null ? null : { url, events: ['completed'] },
    );
  }

  /** A leg of a Dial: it rings, and talks by its script, ten seconds without one. */
  readonly #dialLeg: DialLeg = (parent, to, from, ring): Leg => {
    const callee = this.faults.callee(to);
    const account = this.accounts.bySid(parent.accountSid) as Account;
    const settings: CallSettings = {
      ...parent.settings,
      ...ring,
      source: { twiml: '<Response/>' },
      fallbackUrl: null,
      machineDetection: 'off',
      record: false,
      script: callee.script,
    };
    const call = { ...newCall(account, 'outbound-dial', to, from, settings), parentCallSid: parent.sid };
    this.ledger.add(call);
    const answered = Promise.withResolvers<CallStatus>();
    const talked = Promise.withResolvers<void>();
    const end = (status: CallStatus) => {
      if (!finalStatuses.has(call.status)) this.#end(call, status);
      answered.resolve(status);
      talked.resolve();
    };
    call.startedAt = Date.now();
    this.#enter(call, 'initiated', 'initiated');
    this.timers.after(this.faults.stepDelayMs(), () => {
      if (call.status !== 'initiated') return;
      this.#enter(call, 'ringing', 'ringing');
      const never = callee.outcome === 'no-answer' || callee.ringSeconds > ring.ringSeconds;
      const seconds = never ? ring.ringSeconds : callee.ringSeconds;
      this.timers.after((seconds * 1000) / this.stage.speed, () => {
        if (call.status !== 'ringing') return;
        if (callee.outcome !== 'answers' || never) return end(never ? 'no-answer' : (callee.outcome as CallStatus));
        this.#enter(call, 'in-progress', 'answered');
        answered.resolve('in-progress');
        const talk = callee.script.reduce((sum, step) => sum + ('wait' in step ? step.wait : 1), 0) || TALK_S;
        this.timers.after((talk * 1000) / this.stage.speed, () => {
          call.seconds = talk;
          end('completed');
        });
      });
    });
    return { call, answered: answered.promise, talked: talked.promise, end };
  };

  #end(call: Call, status: CallStatus): void {
    if (finalStatuses.has(call.status)) return;
    call.sipResponseCode = sipCodes[status] ?? null;
    call.endedAt = Date.now();
    this.#enter(call, status, 'completed');
    this.timers.after(PRICED_AFTER_MS, () => {
      call.priced = true;
      call.updatedAt = Date.now();
    });
  }

  #enter(call: Call, status: CallStatus, event: CallEvent): void {
    const now = Date.now();
    call.status = status;
    call.updatedAt = now;
    const account = this.accounts.bySid(call.accountSid);
    const { statusCallback: url, statusCallbackEvents } = call.settings;
    if (!account || url === null || !statusCallbackEvents.includes(event)) return;
    const form = callStatusForm(call, call.nextSequence++, now);
    this.callbacks.tell(call, { url, form, authToken: account.authToken }, event === 'completed');
  }
}

function newCall(
  account: Account,
  direction: Call['direction'],
  to: string,
  from: string,
  settings: CallSettings,
): Call {
  const now = Date.now();
  return {
    sid: newSid('CA'),
    accountSid: account.accountSid,
    direction,
    to,
    from,
    parentCallSid: null,
    settings,
    status: 'queued',
    answeredBy: null,
    sipResponseCode: null,
    createdAt: now,
    updatedAt: now,
    startedAt: null,
    endedAt: null,
    seconds: 0,
    priced: false,
    nextSequence: 0,
    transcript: [],
    errors: [],
    documents: [],
    deleted: false,
  };
}
