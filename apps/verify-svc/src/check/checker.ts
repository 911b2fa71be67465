import { Inject, Injectable } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { failpoints, onCommit, runAlone, sendAll, type Transact, type Transaction } from '@signalbox/persistence';
import { DataSource } from 'typeorm';
import { DueWork } from '../due/due-work.ts';
import { Guard } from '../guard/guard.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { checks, countLimited, countSteps } from '../metrics.ts';
import { Pace } from '../send/pace.ts';
import { VerifyProvider } from '../send/provider.ts';
import { endingOf } from '../send/sender.ts';
import { attemptsOf } from '../send/attempt.store.ts';
import { Totp } from '../totp/totp.ts';
import { type Step, unchanged, type Verification } from '../verification/verification.ts';
import {
  eventsWritten,
  find,
  type HistoryLine,
  historyWritten,
  lock,
  verificationsSaved,
} from '../verification/verification.store.ts';
import { type CheckOutcome, type CheckResult, decideCheck } from './check.rules.ts';
import { type CheckAsked, reserveChecks, type Reserved } from './reserve.store.ts';

/** `limited`: no check is left; `unknown_id`: this tenant has no such verification. */
export type CheckAnswer =
  | {
      readonly result: CheckResult | 'limited';
      readonly verification: Verification;
      readonly retryAfterMs: number | null;
    }
  | { readonly result: 'unknown_id' };

interface Made {
  readonly verification: Verification;
  /** `totp` is checked where it is saved. */
  readonly outcome: CheckOutcome | { readonly kind: 'totp'; readonly code: string };
}

interface Settled {
  readonly result: CheckResult;
  readonly verification: Verification;
  readonly retryAfterMs: number | null;
}

/** Checks codes: counts first, then asks, then saves. A code is never stored, and goes nowhere but to Twilio. */
@Injectable()
export class Checker {
  readonly #reservations: GroupCommit<CheckAsked, Reserved>;
  readonly #answers: GroupCommit<Made, Settled>;
  /** Apart from those of the provider, which are given once: a factor that cannot be opened must not take them along. */
  readonly #totpAnswers: GroupCommit<Made, Settled>;

  constructor(
    @Inject(DataSource) db: DataSource,
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(VerifyProvider) private readonly provider: VerifyProvider,
    @Inject(KeyedHash) private readonly hash: KeyedHash,
    @Inject(Totp) private readonly totp: Totp,
    @Inject(Guard) private readonly guard: Guard,
    @Inject(Pace) private readonly pace: Pace,
    @Inject(DueWork) private readonly due: DueWork,
  ) {
    const alone = runAlone(db);
    this.#reservations = new GroupCommit((asked) => reserveChecks(alone, asked), {
      maxItems: 500,
      maxPending: 20_000,
      // One that waits for a row does not hold up the others.
      concurrency: 4,
    });
    const save = (made: readonly Made[]) => this.transact((tx) => this.#save(tx, made));
    this.#answers = new GroupCommit(save, { maxItems: 100, concurrency: 2 });
    this.#totpAnswers = new GroupCommit(save, { maxItems: 100, concurrency: 2 });
  }

  async check(asked: CheckAsked, code: string): Promise<CheckAnswer> {
    const verification = await this.#reservations.add(asked);
    if (!verification) return this.#whyNot(asked);
    failpoints.reached('check.reserved');
    const outcome = await this.#ask(verification, code);
    failpoints.reached('check.answered');
    const answers = outcome.kind === 'totp' ? this.#totpAnswers : this.#answers;
    const settled = await answers.add({ verification, outcome });
    if (settled.verification.toTell !== null) this.due.nudge();
    return settled;
  }

  async #ask(verification: Verification, code: string): Promise<Made['outcome']> {
    if (verification.serviceSid === null) return { kind: 'totp', code };
    if (verification.refused !== null) {
      await this.pace.keep('check');
      return { kind: 'compared', right: false };
    }
    if (verification.request.code !== 'provider')
      return { kind: 'compared', right: this.hash.isOneOf(verification.codes, 'code', verification.id, code) };
    return this.#askProvider(verification, code);
  }

  /** A code that went by email is another one than that of the number: newest first, each is asked for, as one check. */
  async #askProvider(verification: Verification, code: string): Promise<CheckOutcome> {
    let outcome: CheckOutcome | undefined;
    for (const target of await this.#targets(verification)) {
      const began = performance.now();
      const answer = await this.provider.check(verification, target, code);
      this.pace.note('check', performance.now() - began);
      if (answer.kind === 'checked' && answer.status === 'approved') return answer;
      outcome = outcome && answer.kind === 'gone' ? outcome : answer;
    }
    if (!outcome) throw new Error('a verification without an address was to be checked');
    return outcome;
  }

  async #targets(verification: Verification): Promise<({ sid: string } | { to: string })[]> {
    const { providerSid, recipient, attempts, id } = verification;
    if (attempts <= 1) return providerSid === null ? [{ to: recipient ?? '' }] : [{ sid: providerSid }];
    const all = await this.transact((tx) => attemptsOf(tx, [id]));
    const newestFirst = (all.get(id) ?? []).toReversed();
    const sids = new Set(newestFirst.flatMap((attempt) => attempt.providerSid ?? []));
    return sids.size > 0 ? [...sids].map((sid) => ({ sid })) : [{ to: newestFirst[0]?.to ?? recipient ?? '' }];
  }

  async #save(tx: Transaction, all: readonly Made[]): Promise<Settled[]> {
    const verifications = await lock(tx, [...new Set(all.map(({ verification: { id } }) => id))]);
    const steps = new Map<string, Step>([...verifications].map(([id, one]) => [id, unchanged(one)]));
    const history: HistoryLine[] = [];
    const byTotp = all.filter(({ outcome }) => outcome.kind === 'totp').map(({ verification }) => verification);
    await this.totp.lock(
      tx,
      byTotp.map(({ tenant, request }) => ({ tenant, subject: request.subject ?? '' })),
    );
    const now = new Date();
    const results: Settled[] = [];
    for (const { verification, outcome } of all) {
      const step = steps.get(verification.id);
      if (!step) throw new Error('a verification is gone while it was checked');
      const made = outcome.kind === 'totp' ? await this.#checkTotp(tx, step, outcome, now) : outcome;
      const decided = decideCheck(step, made, now);
      steps.set(verification.id, decided.step);
      history.push({
        verificationId: verification.id,
        at: now.toISOString(),
        kind: 'check',
        detail: { result: decided.result, ...('error' in made && { errorCode: made.error.code }) },
      });
      results.push({
        result: decided.result,
        verification: decided.step.verification,
        retryAfterMs: retryAfterOf(made),
      });
    }
    const saved = [...steps.values()];
    const ended = saved.flatMap((step) => endingOf(step, now));
    this.guard.learn(tx, ended);
    sendAll(tx, [verificationsSaved(saved), historyWritten(saved, history), eventsWritten(saved)]);
    onCommit(tx, () => {
      countSteps(saved);
      for (const { result } of results) checks.inc({ outcome: result });
    });
    return results;
  }

  async #checkTotp(
    tx: Transaction,
    { verification }: Step,
    { code }: { code: string },
    now: Date,
  ): Promise<CheckOutcome> {
    const { tenant, request } = verification;
    const result = await this.totp.check(tx, { tenant, subject: request.subject ?? '', code }, now);
    return result === 'locked' ? { kind: 'locked' } : { kind: 'compared', right: result === 'approved' };
  }

  async #whyNot({ tenant, id }: CheckAsked): Promise<CheckAnswer> {
    const [verification] = await this.transact((tx) => find(tx, [id]));
    if (verification?.tenant !== tenant) return { result: 'unknown_id' };
    const { state, checks: made, maxChecks, expiresAt } = verification;
    const isOpen = state === 'accepted' || state === 'pending';
    const remains = Math.max(0, Date.parse(expiresAt ?? '') - Date.now());
    if (state === 'denied' || (isOpen && made >= maxChecks && remains > 0)) {
      countLimited('checks');
      return { result: 'limited', verification, retryAfterMs: Math.max(1_000, remains) };
    }
    const expired: Verification = isOpen ? { ...verification, state: 'expired' } : verification;
    return { result: 'ended', verification: expired, retryAfterMs: null };
  }
}

const retryAfterOf = (outcome: CheckOutcome): number | null =>
  outcome.kind === 'not_seen' ? outcome.retryAfterMs : null;
