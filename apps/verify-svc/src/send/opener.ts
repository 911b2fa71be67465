import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { onCommit, sendAll, type Transaction } from '@signalbox/persistence';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { Guard, type Locked } from '../guard/guard.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { Budget } from '../limits/budget.rules.ts';
import { limitsOf, millis } from '../limits/limits.ts';
import { lockWindows, windowsTaken } from '../limits/window.store.ts';
import type { LimitScope } from '../limits/window.rules.ts';
import { countLimited, countSteps, repeats } from '../metrics.ts';
import { makeCode } from '../start/code.ts';
import { serviceOf } from '../start/draft.ts';
import { decideStart, deniedFor, supersede } from '../start/start.rules.ts';
import { isFinal } from '../verification/verification.state.ts';
import { move, note, type Step, unchanged, type Verification, type Why } from '../verification/verification.ts';
import {
  eventsWritten,
  type HistoryLine,
  historyWritten,
  lockRelated,
  verificationsInserted,
  verificationsSaved,
} from '../verification/verification.store.ts';
import type { Attempt } from './attempt.ts';
import { attemptsOpened } from './attempt.store.ts';
import type { Sending } from './sending.ts';
import { openAttempt } from './settle.rules.ts';

/** A code that is to be sent. */
export type Want =
  /** Of a new verification, as `draft` makes it; `code`: the caller's own. */
  | { readonly kind: 'new'; readonly draft: Step; readonly code: string | null }
  /** Of one that is there, as it was read without a lock. */
  | {
      readonly kind: 'more';
      readonly known: Verification;
      readonly why: Why;
      readonly code: string | null;
      /** What it becomes before the code is sent; null when it is no longer wanted. */
      readonly revise: (locked: Verification) => Verification | null;
    };

export type Opened =
  /** Committed, the provider is to be called. */
  | {
      readonly result: 'opened';
      readonly verification: Verification;
      readonly attempt: Attempt;
      readonly code: string | null;
      readonly nextSendAt: Date;
    }
  /** Not to be sent, though it looks as if it were: refused by the guard, or there is nothing to send. */
  | { readonly result: 'held'; readonly verification: Verification; readonly nextSendAt: Date }
  | { readonly result: 'repeat' | 'conflict' | 'ended'; readonly verification: Verification }
  | { readonly result: 'limited'; readonly scope: LimitScope | 'checks'; readonly retryAfterMs: number }
  | { readonly result: 'unwanted' };

/** Sends that are an earlier one's second try. */
const uncounted: ReadonlySet<Why> = new Set<Why>(['put_off', 'not_taken']);

/** Takes limits and asks the guard, and commits the attempts that are to be made: in this order, in one transaction. */
@Injectable()
export class Opener {
  readonly #worker = `${hostname()}/${process.pid}`;

  constructor(
    @Inject(KeyedHash) private readonly hash: KeyedHash,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
    @Inject(Guard) private readonly guard: Guard,
    @Inject(CONFIG) private readonly config: Pick<VerifyConfig, 'ATTEMPT_LEASE_MS'>,
  ) {}

  /**
   * Answers each want, in order. Windows are locked before verifications, everywhere.
   * @throws what `isKeyTaken` knows when another transaction has made a verification under the same key: then once more
   */
  async open(tx: Transaction, wants: readonly Want[]): Promise<Opened[]> {
    const limits = wants.map((want) => this.#limitsOf(want));
    const first = wants.flatMap((want) =>
      want.kind === 'new' ? want.draft.verification : want.why === 'asked' ? want.known : [],
    );
    const known = wants.flatMap((want) => (want.kind === 'more' ? want.known.id : []));
    // Asked together, they are locked in this order all the same.
    const [{ windows, now }, related, locked] = await Promise.all([
      lockWindows(
        tx,
        limits.flat().map(({ key }) => key),
      ),
      lockRelated(tx, first, known),
      this.#lockForGuard(tx, wants),
    ]);
    const transaction = new Opening(new Budget(windows, now), related);
    const results = wants.map((want, index) => transaction.take(want, limits[index] ?? []));

    const opening = results.flatMap((result) => (result.result === 'open' ? result : []));
    const refusals = await this.#judge(tx, opening, new Date(now), locked);
    const answers = results.map((result): Opened => {
      if (result.result !== 'open') return result;
      const reason = refusals.get(result);
      return reason === undefined ? this.#send(transaction, result) : transaction.hold(result, reason);
    });
    transaction.save(tx);
    onCommit(tx, () => {
      countSteps(transaction.steps);
      for (const answer of answers) {
        if (answer.result === 'limited') countLimited(answer.scope);
        if (answer.result === 'repeat' || answer.result === 'conflict') repeats.inc({ result: answer.result });
      }
    });
    return answers;
  }

  /** What is new is what its draft says; the guard locks all in one order, so where others are among them it has to wait for these. */
  async #lockForGuard(tx: Transaction, wants: readonly Want[]): Promise<Locked | undefined> {
    const drafts = wants.flatMap((want) => (want.kind === 'new' ? want.draft : []));
    if (drafts.length < wants.length) return undefined;
    const asked = drafts.filter(({ verification }) => verification.serviceSid !== null);
    return this.guard.lock(
      tx,
      asked.map((step) => sendingOf({ step })),
    );
  }

  /** Why those that the guard refuses are refused; once refused, a verification stays so. */
  async #judge(
    tx: Transaction,
    opening: readonly Open[],
    now: Date,
    locked: Locked | undefined,
  ): Promise<Map<Open, string>> {
    const refusals = new Map<Open, string>();
    const asked: Open[] = [];
    for (const one of opening) {
      const { refused, serviceSid } = one.step.verification;
      if (refused !== null) refusals.set(one, refused);
      else if (serviceSid !== null) asked.push(one);
    }
    if (asked.length === 0) return refusals;
    const judgements = await this.guard.judge(tx, asked.map(sendingOf), now, locked);
    asked.forEach((one, index) => {
      const judgement = judgements[index];
      if (judgement && !judgement.allow) refusals.set(one, judgement.reason);
    });
    return refusals;
  }

  #limitsOf(want: Want) {
    const counted = want.kind === 'new' ? want.draft.verification : want.known;
    const all = limitsOf(this.hash, this.tenants.byName(counted.tenant), counted);
    return counted.serviceSid === null ? all.filter(({ scope }) => scope === 'recipient' || scope === 'ip') : all;
  }

  #send(transaction: Opening, opening: Open): Opened {
    const { step, why, nextSendAt } = opening;
    const { verification } = step;
    const now = new Date(transaction.now);
    const planned = verification.plan[verification.position];
    if (!planned) throw new Error('a verification is beyond the end of its plan');
    if (planned.channel === 'totp') {
      const pending = move(step, 'pending', now.toISOString(), { dueAt: verification.expiresAt });
      return { result: 'held', verification: transaction.put(pending, opening), nextSendAt: new Date(nextSendAt) };
    }
    const service = this.#serviceOf(verification);
    const code = verification.request.code === 'ours' ? makeCode(service?.codeLength ?? 6) : opening.code;
    const number = verification.attempts + 1;
    const isFirst = verification.lastSentAt === null && verification.providerSid === null;
    const expiresAt = isFirst
      ? new Date(now.getTime() + millis(service?.ttl ?? 'PT10M')).toISOString()
      : verification.expiresAt;
    const opened = note(step, {
      attempts: number,
      wants: null,
      expiresAt,
      dueAt: expiresAt,
      codes: code === null ? verification.codes : [...verification.codes, this.hash.of('code', verification.id, code)],
    });
    const attempt = openAttempt(
      verification,
      { ...planned, number, why },
      { now, leaseMs: this.config.ATTEMPT_LEASE_MS, worker: this.#worker },
    );
    transaction.attempts.push(attempt);
    const saved = transaction.put(opened, opening);
    return { result: 'opened', verification: saved, attempt, code, nextSendAt: new Date(nextSendAt) };
  }

  #serviceOf({ tenant, request }: Verification) {
    const known = this.tenants.byName(tenant);
    return known && serviceOf(known, request.service);
  }
}

interface Open {
  readonly result: 'open';
  readonly step: Step;
  readonly isNew: boolean;
  readonly why: Why;
  readonly code: string | null;
  readonly nextSendAt: number;
}

/** One transaction's way from wants to what is written. */
class Opening {
  readonly attempts: Attempt[] = [];
  readonly #history: HistoryLine[] = [];
  readonly #inserted = new Map<string, Step>();
  readonly #saved = new Map<string, Step>();
  readonly #related: Verification[];

  /** @param related all that is locked */
  constructor(
    private readonly budget: Budget,
    related: readonly Verification[],
  ) {
    this.#related = [...related];
  }

  get now(): number {
    return this.budget.now;
  }

  get steps(): Step[] {
    return [...this.#inserted.values(), ...this.#saved.values()];
  }

  take(want: Want, limits: Parameters<Budget['take']>[0]): Open | Exclude<Opened, { result: 'opened' | 'held' }> {
    return want.kind === 'new' ? this.#takeNew(want, limits) : this.#takeMore(want, limits);
  }

  /** Kept for the end of the transaction. */
  put(step: Step, { isNew }: Open): Verification {
    (isNew ? this.#inserted : this.#saved).set(step.verification.id, step);
    return step.verification;
  }

  /** What the guard has refused looks as if it had been sent; one that was sent before stays what it is. */
  hold(opening: Open, reason: string): Opened {
    const { step, nextSendAt } = opening;
    const { verification } = step;
    const at = new Date(this.now).toISOString();
    this.#history.push({ verificationId: verification.id, at, kind: 'guard', detail: { reason } });
    const wasSent = verification.providerSid !== null;
    const facts = {
      lastSentAt: at,
      wants: null,
      dueAt: verification.expiresAt,
      ...(!wasSent && { refused: reason }),
    };
    const held = verification.state === 'accepted' && !wasSent ? move(step, 'pending', at, facts) : note(step, facts);
    return { result: 'held', verification: this.put(held, opening), nextSendAt: new Date(nextSendAt) };
  }

  save(tx: Transaction): void {
    const inserted = [...this.#inserted.values()];
    const saved = [...this.#saved.values()];
    sendAll(tx, [
      windowsTaken(this.budget.taken()),
      verificationsInserted(inserted),
      verificationsSaved(saved),
      attemptsOpened(this.attempts),
      historyWritten(this.steps, this.#history),
      eventsWritten(this.steps),
    ]);
  }

  #takeNew({ draft, code }: Extract<Want, { kind: 'new' }>, limits: Parameters<Budget['take']>[0]) {
    const decision = decideStart(draft.verification, this.#related, limits, this.budget);
    if (decision.result !== 'open') return decision;
    const { verification, superseded, nextSendAt } = decision;
    this.#supersede(superseded, verification.id);
    this.#related.push(verification);
    const step = { verification, changes: draft.changes };
    return { result: 'open' as const, step, isNew: true, why: 'asked' as const, code, nextSendAt };
  }

  #takeMore(
    { known, why, code, revise }: Extract<Want, { kind: 'more' }>,
    limits: Parameters<Budget['take']>[0],
  ): Open | Exclude<Opened, { result: 'opened' | 'held' }> {
    const locked = this.#saved.get(known.id)?.verification ?? this.#related.find((one) => one.id === known.id);
    if (!locked) return { result: 'unwanted' };
    if (isFinal(locked.state)) return { result: 'ended', verification: locked };
    const revised = revise(locked);
    if (!revised) return { result: 'unwanted' };
    // Their code was counted when it was first asked for.
    if (uncounted.has(why)) {
      const nextSendAt = this.budget.nextSendAt(limits);
      return { result: 'open', step: unchanged(revised), isNew: false, why, code, nextSendAt };
    }
    const denied = why === 'asked' ? deniedFor(revised, this.#related, this.now) : 0;
    if (denied > 0) return { result: 'limited', scope: 'checks', retryAfterMs: denied };
    const taken = this.budget.take(limits, why === 'asked' || why === 'asked_again' ? 'user' : 'provider');
    if (!taken.ok) return { result: 'limited', scope: taken.scope, retryAfterMs: taken.retryAfterMs };
    const { verification, superseded } =
      why === 'asked' ? supersede(revised, this.#related, this.now) : { verification: revised, superseded: [] };
    this.#supersede(superseded, verification.id);
    const step = unchanged({ ...verification, sends: verification.sends + 1 });
    return { result: 'open', step, isNew: false, why, code, nextSendAt: taken.nextSendAt };
  }

  #supersede(superseded: readonly Step[], by: string): void {
    for (const step of superseded) {
      const { id, updatedAt: at } = step.verification;
      this.#saved.set(id, step);
      this.#history.push({ verificationId: id, at, kind: 'superseded', detail: { by } });
    }
  }
}

function sendingOf({ step: { verification } }: Pick<Open, 'step'>): Sending {
  const { id, tenant, recipientHash, request, plan, position, sends } = verification;
  const planned = plan[position];
  return {
    verificationId: id,
    tenant,
    channel: planned?.channel ?? 'sms',
    to: planned?.to ?? '',
    recipientHash,
    subject: request.subject,
    ip: request.ip,
    deviceId: request.deviceId,
    earlierSends: Math.max(0, sends - 1),
  };
}
