import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { type Attempt, Dispatcher } from '@signalbox/outbound';
import { failpoints, onCommit, type Transact, type Transaction, writeAll } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type MessagingConfig } from '../config.ts';
import { advance, nextCheck, type ProviderReport } from '../delivery/delivery.rules.ts';
import { attempts } from '../dispatch/attempt.store.ts';
import { type DispatchPolicy, policyOf, retryLater, settle } from '../dispatch/dispatch.rules.ts';
import type { ListedMessage } from '../dispatch/listed-message.ts';
import { MessageProvider } from '../dispatch/provider.ts';
import { tellOnce } from '../message/history.store.ts';
import { type Message, note, remark, type Step, unchanged } from '../message/message.ts';
import { lock, lockUnheard, save } from '../message/message.store.ts';
import { countSteps, inDoubt, reconciled } from '../metrics.ts';
import { giveUp } from './give-up.rules.ts';
import { isResendDue, judge, searchSince, type Verdict } from './reconcile.rules.ts';

/** Looked at in one pass; each costs a request to the provider. */
const perPass = 20;

/** Attempts without an answer that one pass finds to be in doubt, which costs nothing but a write. */
const perLook = 1_000;

/**
 * Settles what callbacks and answers left open: attempts in doubt (did the provider take the message?) and messages the
 * provider has gone silent about (what became of it?).
 */
@Injectable()
export class Reconciler {
  readonly #transact: Transact;
  readonly #provider: MessageProvider;
  readonly #dispatcher: Pick<Dispatcher, 'nudge'>;
  readonly #tenants: TenantDirectory;
  readonly #config: MessagingConfig;
  readonly #policy: DispatchPolicy;
  readonly #log: Logger;
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(MessageProvider) provider: MessageProvider,
    @Inject(Dispatcher) dispatcher: Pick<Dispatcher, 'nudge'>,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#provider = provider;
    this.#dispatcher = dispatcher;
    this.#tenants = tenants;
    this.#config = config;
    this.#policy = policyOf(config);
    this.#log = log;
    this.#work = new Periodic('reconciliation', config.RECONCILE_POLL_MS, log, async () => {
      return (await this.#settleDoubts()) + (await this.#askAboutSilent()) >= perPass;
    });
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
  }

  async #settleDoubts(): Promise<number> {
    const now = new Date();
    const doubtful = await this.#transact(async (tx) => {
      await attempts.doubtUnanswered(tx, now, later(now, this.#policy.settleMs), perLook);
      inDoubt.set(await attempts.countDoubtful(tx));
      return attempts.takeDoubtful(tx, now, this.#passEnd(now), perPass);
    });
    await Promise.all(doubtful.map((attempt) => this.#settleDoubt(attempt)));
    return doubtful.length;
  }

  async #settleDoubt(attempt: Attempt): Promise<void> {
    const context = { messageId: attempt.itemId, attempt: attempt.number };
    try {
      const message = await this.#transact((tx) => this.#searchable(tx, attempt));
      if (!message) return;
      const listed = await this.#provider.listSince(message, searchSince(attempt));
      failpoints.reached('reconcile.searched');
      const { verdict, steps } = await this.#transact((tx) => conclude(tx, attempt, listed, this.#policy));
      countSteps(steps);
      reconciled.inc({ verdict });
      if (verdict === 'ambiguous') {
        this.#log.warn(context, 'attempt in doubt stays in doubt: the provider has what may be it or another');
        await this.#notSettled(attempt, 'the list of the provider has what may be it or another');
        return;
      }
      this.#log.info({ ...context, verdict }, 'attempt in doubt is settled');
      if (verdict === 'not_taken') this.#dispatcher.nudge();
    } catch (error) {
      reconciled.inc({ verdict: 'unknown' });
      this.#log.warn({ err: error, ...context }, 'attempt in doubt stays in doubt: it could not be looked up');
      await this.#notSettled(attempt, 'the list of the provider cannot be read');
    }
  }

  /**
   * The message to search for; undefined when there is nothing to search: a callback has named the provider's id already,
   * or another call to the same recipient is under way and its message could be mistaken for this one.
   */
  async #searchable(tx: Transaction, attempt: Attempt): Promise<Message | undefined> {
    const message = (await lock(tx, [attempt.itemId])).get(attempt.itemId);
    if (!message) return undefined;
    if (message.providerSid !== null || message.state !== 'submitting') {
      const finishedAt = new Date().toISOString();
      const known: Attempt = { ...attempt, state: 'accepted', finishedAt, providerSid: message.providerSid };
      await writeAll(tx, [attempts.settled([known])]);
      onCommit(tx, () => reconciled.inc({ verdict: 'told_by_callback' }));
      return undefined;
    }
    if (!(await attempts.hasLiveSibling(tx, attempt, message, new Date()))) return message;
    await attempts.extendLeases(tx, [attempt], later(new Date(), this.#config.RECONCILE_POLL_MS));
    return undefined;
  }

  /** Looks it up again, and sends the message again only when the tenant wants that after so long. */
  async #notSettled(attempt: Attempt, why: string): Promise<void> {
    const context = { messageId: attempt.itemId, attempt: attempt.number };
    try {
      const step = await this.#transact((tx) => this.#resendOrHold(tx, attempt, why, new Date()));
      if (!step) return;
      countSteps([step]);
      reconciled.inc({ verdict: 'resend_by_policy' });
      this.#log.warn(context, "attempt in doubt is given up by the tenant's policy: perhaps sent twice");
      this.#dispatcher.nudge();
    } catch (error) {
      // It is looked at again when the pass's own lease has run out.
      this.#log.warn({ err: error, ...context }, 'nothing could be noted of an attempt that stays in doubt');
    }
  }

  /** The step that makes the message due again, or undefined when it stays in doubt. */
  async #resendOrHold(tx: Transaction, attempt: Attempt, why: string, now: Date): Promise<Step | undefined> {
    const { message, current } = await lockOpen(tx, attempt);
    if (!message || !current) return undefined;
    const eventId = `attempt ${attempt.number} stays in doubt`;
    const detail = { attempt: attempt.number, why };
    // The first time is what the policy counts from.
    const since = await tellOnce(tx, { messageId: message.id, at: now, kind: 'in_doubt', eventId, detail });
    const wanted = isResendDue(this.#tenants.byName(message.tenant)?.inDoubt, since, now);
    // Once at most: a recipient who got it each time would get it without end.
    if (!wanted || (await attempts.wasGivenUp(tx, message.id))) {
      await attempts.extendLeases(tx, [current], later(now, this.#policy.settleMs));
      return undefined;
    }
    const given = giveUp(message, current, { as: 'resend', by: 'the policy of the tenant' }, now);
    await save(tx, [given.step], [attempts.settled([given.attempt])]);
    return given.step;
  }

  /** How long a replica has for what it took over before another may: as long as for a call. */
  #passEnd(now: Date): Date {
    return later(now, this.#config.ATTEMPT_LEASE_MS);
  }

  async #askAboutSilent(): Promise<number> {
    const now = new Date();
    const { messages: silent, more } = await this.#transact(async (tx) => {
      const unheard = await lockUnheard(tx, now, perPass);
      const checkAt = this.#passEnd(now).toISOString();
      await save(
        tx,
        unheard.messages.map((message) => note(unchanged(message), now.toISOString(), { checkAt })),
      );
      return unheard;
    });
    await Promise.all(silent.map((message) => this.#askAbout(message)));
    return more ? perPass : silent.length;
  }

  async #askAbout(message: Message): Promise<void> {
    if (message.providerSid === null) return;
    try {
      const report = await this.#provider.status(message, message.providerSid);
      const step = await this.#transact((tx) => applyReport(tx, message.id, report, this.#policy.firstCheckMs));
      reconciled.inc({ verdict: step && step.changes.length > 0 ? 'healed' : 'no_news' });
      if (step) countSteps([step]);
    } catch (error) {
      this.#log.warn({ err: error, messageId: message.id }, 'the provider could not be asked about a silent message');
      // As after an answer without news: what it will never tell (the tenant is gone, the message deleted) is not asked for ever.
      await this.#transact((tx) => askAgain(tx, message.id, this.#policy.firstCheckMs));
    }
  }
}

/** Decides with the message locked, because a callback may have come since the list was read. */
async function conclude(
  tx: Transaction,
  attempt: Attempt,
  listed: readonly ListedMessage[],
  policy: DispatchPolicy,
): Promise<{ verdict: Verdict['kind'] | 'settled_meanwhile'; steps: Step[] }> {
  const now = new Date();
  const { message, current } = await lockOpen(tx, attempt);
  if (!message || !current) return { verdict: 'settled_meanwhile', steps: [] };

  const claimed = await attempts.claimedSids(
    tx,
    message.tenant,
    listed.map(({ sid }) => sid),
  );
  const verdict = judge(message, current, listed, claimed, await attempts.rivalsOf(tx, message));
  if (verdict.kind === 'ambiguous') return { verdict: 'ambiguous', steps: [] };
  if (verdict.kind === 'taken') {
    const { sid, status } = verdict.listed;
    const outcome = { kind: 'accepted', sid, status, httpStatus: 201 } as const;
    const settled = settle(message, current, outcome, now, policy, Math.random);
    await save(tx, [settled.step], [attempts.settled([settled.attempt])]);
    return { verdict: 'taken', steps: [settled.step] };
  }
  const error = current.error ?? notTaken;
  const step = retryLater(message, now, error, now, policy);
  const settled: Attempt = { ...current, state: 'not_taken', finishedAt: now.toISOString(), error };
  await save(tx, [step], [attempts.settled([settled])]);
  return { verdict: 'not_taken', steps: [step] };
}

/** Locks the message with its attempt, unless a callback, an operator or another replica has settled that. */
async function lockOpen(tx: Transaction, attempt: Attempt): Promise<{ message?: Message; current?: Attempt }> {
  const message = (await lock(tx, [attempt.itemId])).get(attempt.itemId);
  const current = (await attempts.openOf(tx, [attempt.itemId])).find(({ number }) => number === attempt.number);
  return message?.providerSid === null && current ? { message, current } : {};
}

async function applyReport(
  tx: Transaction,
  id: string,
  report: ProviderReport,
  firstCheckMs: number,
): Promise<Step | undefined> {
  const now = new Date();
  const message = (await lock(tx, [id])).get(id);
  if (!message) return undefined;
  const { step, outcome } = advance(unchanged(message), report, now);
  const at = now.toISOString();
  const checked = note(step, at, { checkAt: nextCheck(step.message, now, firstCheckMs) });
  const detail = { status: report.status, outcome, errorCode: report.errorCode, providerSid: report.resourceSid };
  const told = outcome === 'ignored' ? checked : remark(checked, { at, kind: 'provider_status', detail });
  await save(tx, [told]);
  return told;
}

async function askAgain(tx: Transaction, id: string, firstCheckMs: number): Promise<void> {
  const now = new Date();
  const message = (await lock(tx, [id])).get(id);
  if (!message) return;
  await save(tx, [note(unchanged(message), now.toISOString(), { checkAt: nextCheck(message, now, firstCheckMs) })]);
}

const notTaken = {
  code: 'no_answer',
  class: 'retryable',
  title: 'The provider never took the message',
  remedy: 'Nothing to do: it is sent again',
} as const;

function later(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}
