import { Inject, Injectable } from '@nestjs/common';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { type Attempt, Dispatcher } from '@signalbox/outbound';
import { failpoints, onCommit, type Transact, type Transaction, writeAll } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { type Call, move, note, remark, type Step, unchanged } from '../call/call.ts';
import { lock, lockUnheard, save, tellOnce } from '../call/call.store.ts';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { attempts, claimedSids, settledByReports } from '../dispatch/attempt.store.ts';
import { type DispatchPolicy, policyOf, retryLater, settle } from '../dispatch/dispatch.rules.ts';
import { CallProvider, type ListedCall } from '../dispatch/provider.ts';
import { countSteps, inDoubt, reconciled } from '../metrics.ts';
import { advance, nextCheck, type ProviderReport } from '../progress/progress.rules.ts';
import { giveUp } from './give-up.rules.ts';
import { isRepeatDue, judge, searchSince, type Verdict } from './reconcile.rules.ts';

/** Looked at in one pass; each costs a request to the provider. */
const perPass = 20;

/** Attempts without an answer that one pass finds to be in doubt, which costs nothing but a write. */
const perLook = 1_000;

/**
 * Settles what callbacks and answers left open: attempts in doubt (did the provider take the call?), calls the provider has
 * gone silent about (what became of it?), and calls that somebody wants to end (hang up).
 */
@Injectable()
export class Reconciler {
  readonly #transact: Transact;
  readonly #provider: CallProvider;
  readonly #dispatcher: Pick<Dispatcher, 'nudge'>;
  readonly #tenants: TenantDirectory;
  readonly #config: VoiceConfig;
  readonly #policy: DispatchPolicy;
  readonly #log: Logger;
  readonly #work: Periodic;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(CallProvider) provider: CallProvider,
    @Inject(Dispatcher) dispatcher: Pick<Dispatcher, 'nudge'>,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: VoiceConfig,
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
      return (await this.#settleDoubts()) + (await this.#lookAfterSilent()) >= perPass;
    });
  }

  start(): void {
    this.#work.start();
  }

  /** A call is to be hung up. */
  nudge(): void {
    this.#work.nudge();
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
    const context = { callId: attempt.itemId, attempt: attempt.number };
    try {
      const call = await this.#transact((tx) => this.#searchable(tx, attempt));
      if (!call) return;
      const listed = await this.#provider.listSince(call, searchSince(attempt));
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
   * The call to search for; undefined when there is nothing to search: it has gone on without this attempt, or another call to
   * the same recipient is being placed and could be mistaken for this one.
   */
  async #searchable(tx: Transaction, attempt: Attempt): Promise<Call | undefined> {
    const call = (await lock(tx, [attempt.itemId])).get(attempt.itemId);
    if (!call) return undefined;
    if (call.providerSid !== null || call.state !== 'submitting') {
      const finishedAt = new Date().toISOString();
      await writeAll(tx, [
        attempts.settled([{ ...attempt, state: 'accepted', finishedAt, providerSid: call.providerSid }]),
      ]);
      onCommit(tx, () => reconciled.inc({ verdict: 'told_by_callback' }));
      return undefined;
    }
    if (!(await attempts.hasLiveSibling(tx, attempt, call, new Date()))) return call;
    await attempts.extendLeases(tx, [attempt], later(new Date(), this.#config.RECONCILE_POLL_MS));
    return undefined;
  }

  /** Looks it up again, and places the call again only when the tenant wants that after so long. */
  async #notSettled(attempt: Attempt, why: string): Promise<void> {
    const context = { callId: attempt.itemId, attempt: attempt.number };
    try {
      const step = await this.#transact((tx) => this.#repeatOrHold(tx, attempt, why, new Date()));
      if (!step) return;
      countSteps([step]);
      reconciled.inc({ verdict: 'repeat_by_policy' });
      this.#log.warn(context, "attempt in doubt is given up by the tenant's policy: perhaps called twice");
      this.#dispatcher.nudge();
    } catch (error) {
      // It is looked at again when the pass's own lease has run out.
      this.#log.warn({ err: error, ...context }, 'nothing could be noted of an attempt that stays in doubt');
    }
  }

  /** The step that makes the call due again, or undefined when it stays in doubt. */
  async #repeatOrHold(tx: Transaction, attempt: Attempt, why: string, now: Date): Promise<Step | undefined> {
    const { call, current } = await lockOpen(tx, attempt);
    if (!call || !current) return undefined;
    // The first time is what the policy counts from.
    const since = await tellOnce(tx, call.id, {
      at: now.toISOString(),
      kind: 'in_doubt',
      eventId: `attempt ${attempt.number} stays in doubt`,
      detail: { attempt: attempt.number, why },
    });
    const wanted = isRepeatDue(this.#tenants.byName(call.tenant)?.inDoubt, since, now);
    // Once at most: a recipient who is called each time would be called without end.
    if (!wanted || (await attempts.wasGivenUp(tx, call.id))) {
      await attempts.extendLeases(tx, [current], later(now, this.#policy.settleMs));
      return undefined;
    }
    const given = giveUp(call, current, { as: 'repeat', by: 'the policy of the tenant' }, now);
    await save(tx, [given.step], [attempts.settled([given.attempt])]);
    return given.step;
  }

  /** How long a replica has for what it took over before another may: as long as for a call. */
  #passEnd(now: Date): Date {
    return later(now, this.#config.ATTEMPT_LEASE_MS);
  }

  async #lookAfterSilent(): Promise<number> {
    const now = new Date();
    const silent = await this.#transact(async (tx) => {
      const unheard = await lockUnheard(tx, now, perPass);
      const checkAt = this.#passEnd(now).toISOString();
      await save(
        tx,
        unheard.map((call) => note(unchanged(call), now.toISOString(), { checkAt })),
      );
      return unheard;
    });
    await Promise.all(silent.map((call) => this.#lookAfter(call)));
    return silent.length;
  }

  async #lookAfter(call: Call): Promise<void> {
    try {
      if (call.providerSid === null) {
        // With the dispatcher, or in doubt: as soon as its SID is known there is something to ask about or to hang up.
        await this.#transact((tx) => askAgain(tx, call.id, this.#policy.firstCheckMs));
        return;
      }
      const { tenant, providerSid, cancelRequested } = call;
      const report = await (cancelRequested
        ? this.#provider.hangUp(tenant, providerSid)
        : this.#provider.status(tenant, providerSid));
      const step = await this.#transact((tx) => applyReport(tx, call.id, report, this.#policy.firstCheckMs));
      const verdict = cancelRequested ? 'hung_up' : step && step.changes.length > 0 ? 'healed' : 'no_news';
      reconciled.inc({ verdict });
      if (step) countSteps([step]);
    } catch (error) {
      this.#log.warn({ err: error, callId: call.id }, 'the provider could not be asked about a silent call');
      // As after an answer without news: what it will never tell (the tenant is gone, the call deleted) is not asked for ever.
      await this.#transact((tx) => askAgain(tx, call.id, this.#policy.firstCheckMs));
    }
  }
}

/** Decides with the call locked, because a callback may have come since the list was read. */
async function conclude(
  tx: Transaction,
  attempt: Attempt,
  listed: readonly ListedCall[],
  policy: DispatchPolicy,
): Promise<{ verdict: Verdict['kind'] | 'settled_meanwhile'; steps: Step[] }> {
  const now = new Date();
  const { call, current } = await lockOpen(tx, attempt);
  if (!call || !current) return { verdict: 'settled_meanwhile', steps: [] };

  const claimed = await claimedSids(
    tx,
    call.tenant,
    listed.map(({ sid }) => sid),
  );
  const rivals = (await attempts.rivalsOf(tx, call)).map(({ item, attempt: open }) => ({ call: item, attempt: open }));
  const verdict = judge(call, current, listed, claimed, rivals);
  if (verdict.kind === 'ambiguous') return { verdict: 'ambiguous', steps: [] };
  if (verdict.kind === 'taken') {
    const { sid, status } = verdict.listed;
    const outcome = { kind: 'accepted', sid, status, httpStatus: 201 } as const;
    const settled = settle(call, current, outcome, now, policy, Math.random);
    await save(tx, [settled.step], [attempts.settled([settled.attempt])]);
    return { verdict: 'taken', steps: [settled.step] };
  }
  const error = current.error ?? notTaken;
  const step = retryLater(call, now, error, now, policy);
  const finishedAt = now.toISOString();
  await save(tx, [step], [attempts.settled([{ ...current, state: 'not_taken', finishedAt, error }])]);
  return { verdict: 'not_taken', steps: [step] };
}

/** Locks the call with its attempt, unless a callback, an operator or another replica has settled that. */
async function lockOpen(tx: Transaction, attempt: Attempt): Promise<{ call?: Call; current?: Attempt }> {
  const call = (await lock(tx, [attempt.itemId])).get(attempt.itemId);
  const current = (await attempts.openOf(tx, [attempt.itemId])).find(({ number }) => number === attempt.number);
  return call?.providerSid === null && current ? { call, current } : {};
}

async function applyReport(
  tx: Transaction,
  id: string,
  report: ProviderReport,
  firstCheckMs: number,
): Promise<Step | undefined> {
  const now = new Date();
  const call = (await lock(tx, [id])).get(id);
  if (!call) return undefined;
  const { step, outcome } = advance(unchanged(call), report, now);
  const at = now.toISOString();
  const checked =
    step.call.state === 'waiting' ? step : note(step, at, { checkAt: nextCheck(step.call, now, firstCheckMs) });
  const detail = { status: report.status, outcome, providerSid: report.resourceSid };
  const told = outcome === 'ignored' ? checked : remark(checked, { at, kind: 'provider_status', detail });
  await save(tx, [told], [await settledByReports(tx, [told], now)]);
  return told;
}

async function askAgain(tx: Transaction, id: string, firstCheckMs: number): Promise<void> {
  const now = new Date();
  const at = now.toISOString();
  const call = (await lock(tx, [id])).get(id);
  if (!call) return;
  const waits = call.dueAt !== null;
  // Deferred since: nothing is with the provider, so the cancellation is ours to finish.
  const step =
    waits && call.cancelRequested
      ? move(unchanged(call), 'canceled', at)
      : note(unchanged(call), at, { checkAt: waits ? null : soon(call, now, firstCheckMs) });
  await save(tx, [step]);
  onCommit(tx, () => countSteps([step]));
}

/** Somebody waits for it to be hung up, which can be done as soon as its SID is known. */
function soon(call: Call, now: Date, firstCheckMs: number): string | null {
  const isAwaited = call.cancelRequested && call.providerSid === null;
  return isAwaited ? later(now, 1_000).toISOString() : nextCheck(call, now, firstCheckMs);
}

const notTaken = {
  code: 'no_answer',
  class: 'retryable',
  title: 'The provider never took the call',
  remedy: 'Nothing to do: it is placed again',
} as const;

function later(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}
