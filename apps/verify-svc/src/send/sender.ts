import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { backoff } from '@signalbox/outbound';
import { failpoints, onCommit, sendAll, type Transact, type Transaction } from '@signalbox/persistence';
import { defaultVerifyChannels, TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { Guard } from '../guard/guard.ts';
import { millis } from '../limits/limits.ts';
import { countAttempt, countSteps } from '../metrics.ts';
import { serviceOf } from '../start/draft.ts';
import { isFinal } from '../verification/verification.state.ts';
import { type Step, unchanged, type Verification } from '../verification/verification.ts';
import { eventsWritten, historyWritten, lock, verificationsSaved } from '../verification/verification.store.ts';
import { type Attempt, isOpen, type SendOutcome } from './attempt.ts';
import { attemptsOf, attemptsOpened, attemptsSaved } from './attempt.store.ts';
import { Pace } from './pace.ts';
import { VerifyProvider } from './provider.ts';
import type { Outcome } from './sending.ts';
import { settle, type SettleContext } from './settle.rules.ts';

/** An attempt that is committed, with the code that goes with it where it is not Twilio's. */
export interface Call {
  readonly verification: Verification;
  readonly attempt: Attempt;
  readonly code: string | null;
}

/** What came of an attempt, to be saved. */
export interface Answer {
  readonly verificationId: string;
  readonly number: number;
  readonly outcome: SendOutcome;
  readonly code: string | null;
}

export interface Saved {
  readonly verification: Verification;
  /** The attempt on the next channel, to be made at once. */
  readonly next: Call | null;
}

/** Makes the calls of attempts that are committed, and saves what came of them. */
@Injectable()
export class Sender {
  readonly #worker = `${hostname()}/${process.pid}`;
  /** Answers that arrive while a commit is under way share the next one. */
  readonly #answers: GroupCommit<Answer, Saved>;

  constructor(
    @Inject(VerifyProvider) private readonly provider: VerifyProvider,
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(TenantDirectory) private readonly tenants: TenantDirectory,
    @Inject(Guard) private readonly guard: Guard,
    @Inject(Pace) private readonly pace: Pace,
    @Inject(CONFIG)
    private readonly config: Pick<
      VerifyConfig,
      'ATTEMPT_LEASE_MS' | 'IN_DOUBT_SETTLE_MS' | 'RETRY_BASE_MS' | 'RETRY_MAX_MS'
    >,
  ) {
    this.#answers = new GroupCommit((answers) => this.transact((tx) => this.settle(tx, answers)), {
      maxItems: 100,
      concurrency: 2,
    });
  }

  /** Calls, channel after channel, until one takes it or there is none left; answers what has become of the verification. */
  async send(first: Call): Promise<Verification> {
    let call: Call | null = first;
    let { verification } = first;
    while (call) {
      const { attempt, code }: Call = call;
      const began = performance.now();
      const outcome = await this.provider.start(call.verification, attempt, code);
      if (outcome.kind === 'accepted') this.pace.note('start', performance.now() - began);
      failpoints.reached('start.answered');
      const saved: Saved = await this.#answers.add({
        verificationId: verification.id,
        number: attempt.number,
        outcome,
        code,
      });
      verification = saved.verification;
      call = saved.next;
    }
    failpoints.reached('start.settled');
    return verification;
  }

  /** Saves what came of attempts, in the order given. */
  async settle(tx: Transaction, answers: readonly Answer[]): Promise<Saved[]> {
    const ids = [...new Set(answers.map(({ verificationId }) => verificationId))];
    const [verifications, attempts] = await Promise.all([lock(tx, ids), attemptsOf(tx, ids)]);
    const steps = new Map<string, Step>([...verifications].map(([id, one]) => [id, unchanged(one)]));
    const changed = new Map<Attempt, Attempt>();
    const opened: Attempt[] = [];
    const learned: Outcome[] = [];
    const now = new Date();
    const results = answers.map(({ verificationId, number, outcome, code }): Saved => {
      const step = steps.get(verificationId);
      const stored = attempts.get(verificationId)?.find((one) => one.number === number);
      if (!step || !stored) throw new Error('an attempt is gone before it was settled');
      const settled = settle(step, changed.get(stored) ?? stored, outcome, this.contextOf(step, code, now));
      steps.set(verificationId, settled.step);
      changed.set(stored, settled.attempt);
      const { verification } = settled.step;
      learned.push(...settled.learned.map((one) => ({ ...one, ...headOf(verification), at: now })));
      if (settled.next) opened.push(settled.next);
      return { verification, next: settled.next && { verification, attempt: settled.next, code } };
    });
    const all = [...steps.values()];
    learned.push(...all.flatMap((step) => endingOf(step, now)));
    this.guard.learn(tx, learned);
    sendAll(tx, [
      verificationsSaved(all),
      attemptsSaved([...changed.values()]),
      attemptsOpened(opened),
      historyWritten(all),
      eventsWritten(all),
    ]);
    onCommit(tx, () => {
      countSteps(all);
      for (const [before, after] of changed)
        if (isOpen(before.state) && before.state !== after.state) countAttempt(after);
    });
    return results;
  }

  /** What decisions about this verification go by. @param code at hand in this process; null where it is Twilio's, or gone */
  contextOf({ verification }: Step, code: string | null, now: Date): SettleContext {
    const { tenant, request, attempts } = verification;
    const known = this.tenants.byName(tenant);
    const { silence } = known?.verify?.channels ?? defaultVerifyChannels;
    const { RETRY_BASE_MS: backoffBaseMs, RETRY_MAX_MS: backoffMaxMs } = this.config;
    return {
      now,
      ttlMs: millis((known && serviceOf(known, request.service)?.ttl) ?? 'PT10M'),
      silenceMs: silence === undefined ? null : millis(silence),
      doubtMs: this.config.IN_DOUBT_SETTLE_MS,
      leaseMs: this.config.ATTEMPT_LEASE_MS,
      worker: this.#worker,
      backoffMs: (retryAfterMs) => backoff(attempts, retryAfterMs, { backoffBaseMs, backoffMaxMs }, Math.random),
      hasCode: request.code !== 'callers' || code !== null,
    };
  }
}

const headOf = ({ id, tenant, recipientHash }: Verification) => ({ verificationId: id, tenant, recipientHash });

/** What the guard learns of a verification that has ended: the right code came back, or not. */
export function endingOf({ verification, changes }: Step, at: Date): Outcome[] {
  const { plan, position, lastSentAt, state, refused } = verification;
  const planned = plan[position];
  const hasEnded = changes.some(({ to }) => isFinal(to));
  if (!hasEnded || !planned || planned.to === null || lastSentAt === null || refused !== null) return [];
  const kind = state === 'approved' ? 'approved' : 'unanswered';
  return [{ ...headOf(verification), channel: planned.channel, to: planned.to, kind, errorCode: null, at }];
}
