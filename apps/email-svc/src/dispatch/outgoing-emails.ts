import { GroupCommit } from '@signalbox/group-commit';
import {
  type Answered,
  type Attempt,
  type Decision,
  lockExpiringInLine,
  type Outgoing,
  type Quota,
  type Quotas,
  type SendOutcome,
  type Settled,
  type Throttled,
} from '@signalbox/outbound';
import { onCommit, type Transact, type Transaction, type Write } from '@signalbox/persistence';
import type { TenantDirectory } from '@signalbox/tenants';
import { streamQuota } from '../deliverability/stream-quota.rules.ts';
import { type Email, move, note, type Step, unchanged } from '../email/email.ts';
import { emailTable, save } from '../email/email.store.ts';
import { failures } from '../email/failures.ts';
import { acceptSeconds, countOverflow, countSteps } from '../metrics.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { isOfWarmup, takenWay, waysOf } from '../warmup/pool.rules.ts';
import { attempts } from './attempt.store.ts';
import { type DispatchPolicy, isTooLate, openAttempt, settle, suppress } from './dispatch.rules.ts';
import type { EmailProvider } from './email-provider.ts';
import { paceKinds } from './quota-kinds.rules.ts';

interface EmailDecision extends Decision<Email> {
  readonly step: Step;
}

/** So long after its claim a call need not ask again whether the recipient is suppressed. */
const claimIsFreshMs = 100;

/** What is dispatched here: emails, with all that may keep one from being sent. */
export class OutgoingEmails implements Outgoing<Email, EmailDecision> {
  readonly table = emailTable;
  readonly kinds = paceKinds;
  readonly idName = 'emailId';
  readonly #transact: Transact;
  readonly #provider: Pick<EmailProvider, 'send'>;
  readonly #policy: DispatchPolicy;
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #suppressions: GroupCommit<Email, boolean>;

  constructor(
    transact: Transact,
    provider: Pick<EmailProvider, 'send'>,
    policy: DispatchPolicy,
    tenants: Pick<TenantDirectory, 'byName'>,
  ) {
    this.#transact = transact;
    this.#provider = provider;
    this.#policy = policy;
    this.#tenants = tenants;
    this.#suppressions = new GroupCommit((batch) => this.#areSuppressed(batch), { maxItems: 1000 });
  }

  async decide(tx: Transaction, emails: readonly Email[], now: Date, worker: string): Promise<EmailDecision[]> {
    // After the lock and in the same transaction: whatever suppression is committed by now, this claim obeys.
    const suppressed = await suppressedAmong(tx, emails);
    return emails.map((email) => {
      if (suppressed.has(email.id)) return decided(suppress(email, now));
      const { step, attempt } = openAttempt(email, now, worker, this.#policy);
      return decided(step, attempt);
    });
  }

  ways(email: Email, quotas: Quotas): readonly Email[] {
    return waysOf(this.#tenants.byName(email.tenant), email, quotas);
  }

  goBy({ step, attempt }: EmailDecision, way: Email, full: readonly Quota[]): EmailDecision {
    return decided(note(step, step.email.updatedAt, { pool: takenWay(way, full) }), attempt);
  }

  moveTo(email: Email, queue: string, now: Date): EmailDecision {
    return decided(note(unchanged(email), now.toISOString(), { queue }));
  }

  async save(tx: Transaction, decisions: readonly EmailDecision[], along: readonly Write[]): Promise<void> {
    const steps = decisions.map(({ step }) => step);
    await save(tx, steps, [attempts.opened(decisions.flatMap(({ attempt }) => attempt ?? [])), ...along]);
    onCommit(tx, () => {
      countSteps(steps);
      for (const { item, attempt } of decisions) if (attempt) countOverflow(item);
    });
  }

  /** Rejects emails that would expire before the cap of their line lets them go, so that the sender hears of it now. */
  async overCap(tx: Transaction, { line, untilMs, quota }: Throttled, now: Date): Promise<void> {
    // A stream that is stopped, or a pool that is paused, may be let go at any moment: its emails wait as long as they may.
    const isPaused = isOfWarmup(quota) && quota.limits.dailyCap === 0;
    const isStopped = quota.scope.kind === streamQuota.name || isPaused;
    const expiring = await lockExpiringInLine(tx, emailTable, line, isStopped ? now : new Date(untilMs), 500);
    const steps = expiring.map((email) =>
      isStopped
        ? move(unchanged(email), 'expired', now.toISOString(), { error: failures.expired })
        : move(unchanged(email), 'rejected', now.toISOString(), {
            error: isOfWarmup(quota) ? failures.warmupFull : failures.overQuota,
          }),
    );
    await save(tx, steps);
    onCommit(tx, () => countSteps(steps));
  }

  async reconsider(email: Email, attempt: Attempt): Promise<SendOutcome | undefined> {
    // A call may wait for its slot; an unsubscribe that came meanwhile sends the email back, and the next claim rejects it.
    if (Date.now() - Date.parse(attempt.startedAt) > claimIsFreshMs && (await this.#suppressions.add(email))) {
      return { kind: 'deferred', error: failures.suppressed, httpStatus: null, retryAfterMs: null };
    }
    if (isTooLate(email, new Date())) {
      return { kind: 'deferred', error: failures.expired, httpStatus: null, retryAfterMs: 1000 };
    }
    return undefined;
  }

  send(email: Email, attempt: Attempt): Promise<SendOutcome> {
    const due = Date.parse(email.sendAt ?? email.createdAt);
    if (attempt.number === 1) acceptSeconds.observe({ lane: email.lane }, Math.max(0, Date.now() - due) / 1000);
    return this.#provider.send(email, attempt);
  }

  async settle(tx: Transaction, answers: readonly Answered<Email>[], now: Date): Promise<readonly Settled<Email>[]> {
    const open = await attempts.lock(
      tx,
      answers.map(({ item }) => item.id),
    );
    const byId = new Map(answers.map((answer) => [answer.item.id, answer]));
    const settled = open.flatMap(({ item, attempt }) => {
      const answer = byId.get(item.id);
      return answer?.attempt.number === attempt.number
        ? settle(item, attempt, answer.outcome, now, this.#policy, Math.random)
        : [];
    });
    const steps = settled.map(({ step }) => step);
    await save(tx, steps, [attempts.settled(settled.map(({ attempt }) => attempt))]);
    onCommit(tx, () => countSteps(steps));
    return settled.map(({ step: { email }, attempt }) => ({ item: email, attempt, dueAgain: email.dueAt !== null }));
  }

  async #areSuppressed(emails: readonly Email[]): Promise<boolean[]> {
    const suppressed = await this.#transact((tx) => suppressedAmong(tx, emails));
    return emails.map(({ id }) => suppressed.has(id));
  }
}

function decided(step: Step, attempt: Attempt | null = null): EmailDecision {
  return { item: step.email, step, attempt };
}
