import { Inject, Injectable } from '@nestjs/common';
import type { EmailState, Failure } from '@signalbox/contracts';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { type Attempt, Dispatcher, giveBackUnsent, QuotaBook } from '@signalbox/outbound';
import { onCommit, run, type Transact, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import type { Step } from '../email/email.ts';
import { lock, save } from '../email/email.store.ts';
import { countSteps, doubtsSettled, inDoubt } from '../metrics.ts';
import { attempts, doubtCalled, givenUpAmong, lockUncalled } from './attempt.store.ts';
import { type GiveUp, giveUp, isResendDue, retryLater } from './dispatch.rules.ts';
import { paceKinds } from './quota-kinds.rules.ts';

/** Looked at in one pass, in one transaction. */
const perPass = 500;

export type SettleResult =
  | { readonly kind: 'settled'; readonly state: EmailState }
  /** It was settled before, or its call is under way. */
  | { readonly kind: 'not_in_doubt'; readonly state: EmailState }
  | { readonly kind: 'unknown' };

/**
 * Looks after attempts of which nobody knows whether SendGrid took the email. It has no list to search, so an event that carries
 * our id is the only proof; without one the tenant's policy decides after a time.
 */
@Injectable()
export class Doubts {
  readonly #transact: Transact;
  readonly #dispatcher: Dispatcher;
  readonly #quotas: QuotaBook;
  readonly #tenants: TenantDirectory;
  readonly #config: EmailConfig;
  readonly #log: Logger;
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(Dispatcher) dispatcher: Dispatcher,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: EmailConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#dispatcher = dispatcher;
    this.#quotas = quotas;
    this.#tenants = tenants;
    this.#config = config;
    this.#log = log;
    this.#work = new Periodic('attempts in doubt', config.IN_DOUBT_POLL_MS, log, () => this.#pass());
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** Settles an email in doubt as an operator says, who has looked where we cannot. */
  async settle(
    { tenant, emailId, ...decision }: GiveUp & { readonly tenant: string; readonly emailId: string },
    now: Date,
  ): Promise<SettleResult> {
    const result = await this.#transact(async (tx): Promise<SettleResult> => {
      const email = (await lock(tx, [emailId])).get(emailId);
      // Another tenant's email is as good as none.
      if (!email || email.tenant !== tenant) return { kind: 'unknown' };
      const open = (await attempts.openOf(tx, [emailId])).at(-1);
      if (email.state !== 'submitting' || open?.state !== 'in_doubt') {
        return { kind: 'not_in_doubt', state: email.state };
      }
      const { step, attempt } = giveUp(email, open, decision, now);
      await save(tx, [step], [attempts.settled([attempt])]);
      onCommit(tx, () => {
        doubtsSettled.inc({ by: `${decision.as}_by_operator` });
        countSteps([step]);
      });
      return { kind: 'settled', state: step.email.state };
    });
    this.#dispatcher.nudge();
    return result;
  }

  async #pass(): Promise<boolean> {
    const now = new Date();
    const lookAgain = new Date(now.getTime() + this.#config.IN_DOUBT_POLL_MS);
    const released = await this.#transact((tx) => releaseUncalled(tx, this.#quotas, now));
    if (released > 0) {
      this.#log.warn({ emails: released }, 'emails are due again that a dead process had claimed and not called');
      this.#dispatcher.nudge();
    }
    if (released >= perPass) return true;
    const { taken, resent } = await this.#transact(async (tx) => {
      await doubtCalled(tx, now, perPass);
      const doubtful = await attempts.takeDoubtful(tx, now, lookAgain, perPass);
      const resent = await this.#settleByEvents(tx, doubtful, now);
      inDoubt.set(await countDoubts(tx));
      return { taken: doubtful.length, resent };
    });
    if (resent > 0) {
      this.#log.warn({ emails: resent }, "emails in doubt are sent again by their tenant's policy: perhaps twice");
      this.#dispatcher.nudge();
    }
    return taken >= perPass;
  }

  /** Closes attempts that events have settled, and those that the policy does not want to wait for; returns how many are sent again. */
  async #settleByEvents(tx: Transaction, doubtful: readonly Attempt[], now: Date): Promise<number> {
    if (doubtful.length === 0) return 0;
    const ids = doubtful.map(({ itemId }) => itemId);
    const emails = await lock(tx, ids);
    const once = await givenUpAmong(tx, ids);
    const closed: Attempt[] = [];
    const steps: Step[] = [];
    for (const attempt of doubtful) {
      const email = emails.get(attempt.itemId);
      if (!email) continue;
      if (email.state !== 'submitting') {
        closed.push({ ...attempt, state: 'accepted', finishedAt: now.toISOString(), providerSid: email.providerSid });
        continue;
      }
      const policy = this.#tenants.byName(email.tenant)?.inDoubt;
      // Once at most: a recipient who got it each time would get it without end.
      if (once.has(email.id) || !isResendDue(policy, new Date(attempt.startedAt), now)) continue;
      const given = giveUp(email, attempt, { as: 'resend', by: 'the policy of the tenant' }, now);
      closed.push(given.attempt);
      steps.push(given.step);
    }
    await save(tx, steps, [attempts.settled(closed)]);
    onCommit(tx, () => {
      doubtsSettled.inc({ by: 'event' }, closed.length - steps.length);
      doubtsSettled.inc({ by: 'resend_by_policy' }, steps.length);
      countSteps(steps);
    });
    return steps.length;
  }
}

/** Makes emails due again whose attempt was certainly not made; returns how many. */
async function releaseUncalled(tx: Transaction, quotas: QuotaBook, now: Date): Promise<number> {
  const uncalled = await lockUncalled(tx, now, perPass);
  const finishedAt = now.toISOString();
  const steps = uncalled.map(({ item }) => retryLater(item, now, neverCalled, now, { giveUpAfterMs: Infinity }));
  const closed = uncalled.map(({ attempt }): Attempt => {
    return { ...attempt, state: 'not_taken', finishedAt, error: neverCalled };
  });
  await save(tx, steps, [attempts.settled(closed)]);
  await giveBackUnsent(tx, paceKinds, quotas, uncalled);
  onCommit(tx, () => {
    doubtsSettled.inc({ by: 'never_called' }, closed.length);
    countSteps(steps);
  });
  return uncalled.length;
}

const neverCalled: Failure = {
  code: 'never_called',
  class: 'retryable',
  title: 'The process that had claimed it was gone before it made the call',
  remedy: 'Nothing to do: it is sent again',
};

async function countDoubts(tx: Transaction): Promise<number> {
  const { rows } = await run<{ count: string }>(tx, `select count(*) from attempts where state = 'in_doubt'`);
  return Number(rows[0]?.count ?? 0);
}
