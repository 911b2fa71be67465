import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Account } from '../accounts.ts';
import { Faults } from '../faults/faults.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { newSid } from '../messages-api/sid.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';
import { Timers } from '../timers.ts';
import { SafeList } from './safe-list.ts';
import { SlidingWindow } from './sliding-window.ts';
import { textFor } from './texts.rules.ts';
import {
  isCode,
  readVerificationRequest,
  type VerificationRequest,
  type VerifyChannel,
} from './verification-request.rules.ts';
import { CodeDelivery } from './code-delivery.ts';
import { VerifyEvents } from './verify-events.ts';
import { type Attempt, type Verification, VerifyLedger, type VerifyService } from './verify-ledger.ts';
import { VerifyPlay } from './verify-settings.ts';

const MAX_SENDS = 5;
const MAX_CHECKS = 5;
/** "Many verifications in a short period of time for the same phone number" (60212); Twilio does not say how many. */
const MAX_STARTS = 10;
const STARTS_SPAN_MS = 1_000;

/** What 60410 is for: Fraud Guard knows no other channel. */
const FRAUD_GUARD = 60410;

const senders: Readonly<Record<VerifyChannel, string>> = {
  sms: 'VERIFY',
  call: '+14155550111',
  whatsapp: 'whatsapp:+14155550111',
  email: 'verify@sim.example',
};

/** What can be done to verifications through the REST API; a refusal is a TwilioError. */
@Injectable()
export class Verifications {
  readonly #starts = new SlidingWindow(STARTS_SPAN_MS);

  constructor(
    private readonly ledger: VerifyLedger,
    private readonly faults: Faults,
    private readonly timers: Timers,
    private readonly delivery: CodeDelivery,
    private readonly events: VerifyEvents,
    private readonly safeList: SafeList,
    private readonly play: VerifyPlay,
  ) {}

  /** Starts one, or sends the code of the pending one again. Synchronous, so nothing can come between. */
  start(account: Account, service: VerifyService, form: Form): Verification {
    const now = Date.now();
    const reading = readVerificationRequest(form, service);
    if (!reading.ok) throw refusal(reading);
    const { request } = reading;
    this.#checkPace(account, service, request, now);
    this.#checkDestination(account, service, request);

    const pending = this.#live(service, request.to, now);
    if (pending?.status === 'max_attempts_reached') throw new TwilioError(60202);
    if (pending && pending.attempts.length >= MAX_SENDS) throw new TwilioError(60203);
    const code = request.customCode ?? pending?.code ?? drawCode(service.codeLength);
    const text = textFor(request, service, code, Math.ceil(this.play.settings.ttlMs / 60_000));
    if (!text.ok) throw new TwilioError(text.code);

    const verification = pending ?? this.#begin(account, service, request, code, now);
    Object.assign(verification, sentAgain(request, code), { updatedAt: now });
    this.#send(verification, request, text.text, now);
    return verification;
  }

  /** Pending, by SID or recipient: Twilio deletes the others. */
  find(service: VerifyService, sidOrTo: string): Verification {
    const verification = this.ledger.find(service, sidOrTo);
    if (!verification || !isPending(verification, Date.now())) throw new TwilioError(20404);
    return verification;
  }

  update(verification: Verification, form: Form): void {
    const status = form['Status'];
    if (status !== 'approved' && status !== 'canceled') throw new TwilioError(60200, { detail: 'Status' });
    if (status === 'approved') this.#approve(verification, Date.now());
    else this.#end(verification, 'canceled', Date.now());
  }

  check(service: VerifyService, form: Form): Verification {
    const now = Date.now();
    const code = form['Code'];
    const named = form['VerificationSid'] ?? form['To'];
    if (typeof named !== 'string' || named === '') throw new TwilioError(60200, { detail: 'To' });
    const verification = this.ledger.find(service, named);
    if (verification) verification.checks++;
    if (typeof code !== 'string' || !isCode(code)) throw new TwilioError(60200, { detail: 'Code' });
    if (verification?.status === 'max_attempts_reached' && now < verification.expiresAt) throw new TwilioError(60202);
    if (!verification || !isPending(verification, now)) throw new TwilioError(20404);

    const right = code === verification.code;
    verification.compared.push({ at: now, right });
    verification.updatedAt = now;
    if (right) this.#approve(verification, now);
    return verification;
  }

  /** As if its time were over. */
  expire(verification: Verification): void {
    if (verification.status === 'pending') this.#end(verification, 'expired', Date.now());
  }

  /** Also forgets the safe list and the settings. */
  clear(): void {
    this.#starts.clear();
    this.safeList.clear();
    this.play.clear();
  }

  /** What lookup says of the number when the service asks for it. */
  lookup({ service, to }: Verification): object {
    if (!service.lookupEnabled || !to.startsWith('+')) return {};
    const type = this.play.isLandline(to) ? 'landline' : 'mobile';
    const carrier = { mobile_country_code: '311', mobile_network_code: '480', name: 'Simulated Mobile' };
    return { carrier: { ...carrier, type, error_code: null } };
  }

  #checkPace(account: Account, service: VerifyService, { to, rateLimits }: VerificationRequest, now: number): void {
    const recipient = `${account.accountSid} ${to}`;
    if (this.#starts.count(recipient, now) >= MAX_STARTS) throw new TwilioError(60212);
    this.#starts.add(recipient, now);
    const metered = service.rateLimits.flatMap((limit) => {
      const value = rateLimits[limit.uniqueName];
      return value === undefined ? [] : limit.buckets.map((bucket) => ({ bucket, value }));
    });
    if (metered.some(({ bucket, value }) => bucket.starts.count(value, now) >= bucket.max))
      throw new TwilioError(20429);
    for (const { bucket, value } of metered) bucket.starts.add(value, now);
  }

  #checkDestination(account: Account, service: VerifyService, request: VerificationRequest): void {
    const { to, channel } = request;
    const refused = this.faults.verifyRefusal(to, channel);
    const trusted = request.riskCheckDisabled || this.safeList.has(account.accountSid, to);
    if (refused && !(refused.code === FRAUD_GUARD && trusted)) throw new TwilioError(refused.code, refused);
    if (channel === 'sms' && service.skipSmsToLandlines && this.play.isLandline(to)) throw new TwilioError(60205);
  }

  #begin(
    { accountSid }: Account,
    service: VerifyService,
    request: VerificationRequest,
    code: string,
    now: number,
  ): Verification {
    const { ttlMs } = this.play.settings;
    const verification: Verification = {
      ...sentAgain(request, code),
      sid: newSid('VE'),
      accountSid,
      service,
      to: request.to,
      status: 'pending',
      attempts: [],
      checks: 0,
      compared: [],
      createdAt: now,
      updatedAt: now,
      expiresAt: now + ttlMs,
      verifiedAt: null,
    };
    this.ledger.add(verification);
    this.timers.after(ttlMs, () => this.expire(verification));
    return verification;
  }

  #send(verification: Verification, request: VerificationRequest, body: string, now: number): void {
    const attempt: Attempt = {
      sid: newSid('VL'),
      verification,
      channel: request.channel,
      from: senders[request.channel],
      body,
      locale: request.locale,
      tags: request.tags,
      createdAt: now,
      updatedAt: now,
      status: 'queued',
      errorCode: null,
      converted: false,
    };
    this.ledger.addAttempt(attempt);
    this.events.announceVerification(verification);
    this.delivery.start(attempt);
  }

  #approve(verification: Verification, now: number): void {
    verification.verifiedAt = now;
    const last = verification.attempts.at(-1);
    if (last) last.converted = true;
    this.#end(verification, 'approved', now);
  }

  #end(verification: Verification, status: Verification['status'], now: number): void {
    verification.status = status;
    verification.updatedAt = now;
    this.events.announceVerification(verification);
  }

  /** The one of this recipient whose time is not over: pending, or closed because too many wrong codes were tried. */
  #live(service: VerifyService, to: string, now: number): Verification | undefined {
    const verification = this.ledger.find(service, to);
    const live = verification?.status === 'pending' || verification?.status === 'max_attempts_reached';
    return live && now < verification.expiresAt ? verification : undefined;
  }

  /** After the last wrong code that is compared; the answer to that one still says pending. */
  closeAfterTooManyChecks(verification: Verification): void {
    if (verification.status === 'pending' && verification.compared.length >= MAX_CHECKS)
      this.#end(verification, 'max_attempts_reached', Date.now());
  }
}

/** What every send sets anew. */
const sentAgain = (request: VerificationRequest, code: string) => ({
  channel: request.channel,
  code,
  customCode: request.customCode !== null,
  customFriendlyName: request.customFriendlyName,
  amount: request.amount,
  payee: request.payee,
});

const isPending = ({ status, expiresAt }: Verification, now: number): boolean =>
  status === 'pending' && now < expiresAt;

const drawCode = (length: number): string => String(randomInt(10 ** length)).padStart(length, '0');

const refusal = ({ code, detail }: { code: number; detail?: string }) =>
  new TwilioError(code, detail === undefined ? {} : { detail });
