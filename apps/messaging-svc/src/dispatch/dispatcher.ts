import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Failure, Lane } from '@signalbox/contracts';
import { TRANSACT, WakeUp } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { failpoints, isTransient, onCommit, type Transact, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type MessagingConfig } from '../config.ts';
import type { Message, Step } from '../message/message.ts';
import { save } from '../message/message.store.ts';
import { acceptSeconds, countSteps, countSuppressions, inFlight, quotaThrottled, sendAttempts } from '../metrics.ts';
import { QuotaBook } from '../quota/quota.book.ts';
import { type Quotas, quotasFor } from '../quota/quota.rules.ts';
import { giveBackCaps } from '../quota/quota.store.ts';
import { provedBySend } from '../suppression/refusal.rules.ts';
import { suppressed } from '../suppression/suppression.rules.ts';
import { applyRequests, suppressedAmong } from '../suppression/suppression.store.ts';
import { type AccountHold, aheadOfCalls, withoutReserve } from './account.rules.ts';
import { Accounts } from './accounts.ts';
import type { Throttled } from './allot.rules.ts';
import type { Attempt, SendOutcome } from './attempt.ts';
import { attemptsSettled, lockAttempted } from './attempt.store.ts';
import { type Call, claim, rejectOverCap } from './claim.ts';
import { type DispatchPolicy, expired, isTooLate, policyOf, settle } from './dispatch.rules.ts';
import { MessageProvider } from './provider.ts';

interface Answered {
  readonly message: Message;
  readonly attempt: Attempt;
  readonly outcome: SendOutcome;
}

/** Lanes that are claimed together. Each side has its own loop, so that no code waits for a claim of bulk to end. */
interface Side {
  readonly lanes: readonly Lane[];
  /** Calls at once; the other side may have taken some of them. */
  readonly concurrency: number;
  /** Messages claimed at once: more than may be called, so that calls need not wait for a claim nor for answers to be saved. */
  readonly places: number;
  readonly wakeUp: WakeUp;
  /** Messages may have been left in line for want of places, here or with their account: an answer makes some. */
  full: boolean;
  claimed: number;
  /** Claimed, their slot has begun, waiting for a free call. */
  ready: { readonly call: Call; readonly decide: (verdict: Verdict) => void }[];
}

type Verdict = 'go' | 'held';

/** Under load so many milliseconds of answers are saved together; a lone one waits for nothing. */
const settleEveryMs = 40;

/** For how long after a code the other lanes go slower. */
const yieldMs = 1_000;

/** How often messages are looked for that would expire before their daily cap lets them go. */
const rejectEveryMs = 1_000;

/** So long after its claim a call need not ask again whether the recipient has opted out. */
const claimIsFreshMs = 100;

/**
 * Hands due messages to the provider: claims a batch (an attempt row each, committed before any call) with the slots of
 * its quotas, calls with bounded concurrency, and settles answers in batches. Replicas share the work through row locks
 * that skip each other, and the quotas through the locks on their buckets.
 */
@Injectable()
export class Dispatcher {
  readonly #transact: Transact;
  readonly #provider: MessageProvider;
  readonly #quotas: QuotaBook;
  readonly #tenants: TenantDirectory;
  readonly #accounts: Accounts;
  readonly #config: MessagingConfig;
  readonly #policy: DispatchPolicy;
  readonly #log: Logger;
  readonly #worker = `${hostname()}/${process.pid}`;
  readonly #critical: Side;
  readonly #other: Side;
  /** What is to be finished before a stop: everything claimed. */
  readonly #running = new Set<Promise<void>>();
  readonly #answers: GroupCommit<Answered, undefined>;
  readonly #optOuts: GroupCommit<Message, boolean>;
  #calling = 0;
  #criticalLook: Promise<unknown> = Promise.resolve();
  #rejectAt = 0;
  #yieldUntil = 0;
  #stopping = false;
  #loops: Promise<unknown> | undefined;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(MessageProvider) provider: MessageProvider,
    @Inject(QuotaBook) quotas: QuotaBook,
    @Inject(TenantDirectory) tenants: TenantDirectory,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#provider = provider;
    this.#quotas = quotas;
    this.#tenants = tenants;
    this.#config = config;
    this.#policy = policyOf(config);
    this.#log = log;
    const most = config.DISPATCH_CONCURRENCY;
    this.#accounts = new Accounts(tenants, { maxConcurrency: most, probeMs: config.CREDENTIALS_PROBE_MS });
    const side = (lanes: Lane[], concurrency: number): Side => {
      return {
        lanes,
        concurrency,
        places: concurrency * aheadOfCalls,
        wakeUp: new WakeUp(),
        full: false,
        claimed: 0,
        ready: [],
      };
    };
    this.#critical = side(['critical'], most);
    this.#other = side(['transactional', 'bulk'], withoutReserve(most));
    this.#answers = new GroupCommit((batch) => this.#settle(batch), { maxItems: 500, minIntervalMs: settleEveryMs });
    this.#optOuts = new GroupCommit((batch) => this.#optedOut(batch), { maxItems: 500 });
  }

  start(): void {
    this.#loops = Promise.all([this.#run(this.#critical), this.#run(this.#other)]);
  }

  /** Claims nothing more, gives back what is claimed and not yet called, lets the calls under way be settled. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.nudge();
    this.#admit();
    await this.#loops;
    await Promise.all(this.#running);
  }

  /** Messages may be due: look now and not at the next poll. */
  nudge(): void {
    this.#critical.wakeUp.nudge();
    this.#other.wakeUp.nudge();
  }

  /** Why this replica sends nothing of the tenant; null when it does. */
  holdOf(tenant: string): AccountHold | null {
    return this.#accounts.holdOf(tenant, Date.now());
  }

  async #run(side: Side): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      try {
        const waitMs = await this.#look(side);
        failures = 0;
        if (waitMs > 0) await side.wakeUp.wait(waitMs);
      } catch (error) {
        failures++;
        this.#log[isTransient(error) ? 'warn' : 'error']({ err: error, failures }, 'dispatch could not claim messages');
        await side.wakeUp.wait(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  }

  /** Looks at the queue once; tells how long to wait for the next look, unless there is a nudge before. */
  async #look(side: Side): Promise<number> {
    const places = this.#placesOf(side);
    const free = places - side.claimed;
    // A quarter of the places is worth a claim, so that claims stay batches under load.
    side.full = free < places / 4;
    if (side.full) return this.#config.DISPATCH_POLL_MS;
    if (side === this.#critical) {
      const look = this.#claim(side, free);
      this.#criticalLook = look.catch(() => undefined);
      return look;
    }
    // What is critical is claimed first, also when it came in together with the rest.
    await this.#criticalLook;
    return this.#claim(side, free);
  }

  /** While codes come in, a campaign leaves them the processor and the database, and not only a place in line. */
  #placesOf(side: Side): number {
    const yields = side === this.#other && performance.now() < this.#yieldUntil;
    return yields ? Math.ceil(side.places / 20) : side.places;
  }

  async #claim(side: Side, places: number): Promise<number> {
    await this.#quotas.refresh();
    const claimed = await this.#transact((tx) =>
      claim(tx, {
        lanes: side.lanes,
        places,
        worker: this.#worker,
        policy: this.#policy,
        quotas: (tenant) => this.#quotas.of(tenant),
        room: (tenant) => {
          const room = this.#accounts.room(tenant, Date.now());
          if (room.room === 0) side.full = true;
          return room;
        },
        tenant: (name) => this.#tenants.byName(name),
        random: Math.random,
      }),
    );
    countSteps(claimed.steps);
    if (claimed.calls.length > 0) failpoints.reached('dispatch.claimed');
    if (side === this.#critical && claimed.calls.length > 0) this.#yieldUntil = performance.now() + yieldMs;
    for (const call of claimed.calls) this.#take(call, side);
    for (const { quota } of claimed.throttled) quotaThrottled.inc({ scope_kind: quota.scope.kind });
    await this.#rejectOverCap(claimed.throttled);
    // Whatever was found, there may be more.
    if (claimed.steps.some(({ before, message }) => message !== before)) return 0;
    const heldMs = this.#accounts.heldUntil(Date.now()) - Date.now();
    return Math.max(1, Math.min(this.#config.DISPATCH_POLL_MS, claimed.moreInMs, heldMs));
  }

  async #rejectOverCap(throttled: readonly Throttled[]): Promise<void> {
    const capped = throttled.filter(({ why }) => why === 'cap');
    if (capped.length === 0 || performance.now() < this.#rejectAt) return;
    this.#rejectAt = performance.now() + rejectEveryMs;
    for (const one of capped) {
      countSteps(await this.#transact((tx) => rejectOverCap(tx, one, new Date())));
    }
  }

  #take(call: Call, side: Side): void {
    const { tenant, id } = call.message;
    side.claimed++;
    this.#accounts.claimed(tenant);
    const running = this.#seeThrough(call, side)
      .catch((error: unknown) => {
        // The attempt row stays open; the reconciler settles it when its lease has run out.
        this.#log.error({ err: error, messageId: id }, 'an answer of the provider could not be saved');
      })
      .finally(() => {
        side.claimed--;
        this.#accounts.settled(tenant);
        this.#running.delete(running);
        if (side.full && this.#placesOf(side) * 0.75 >= side.claimed) side.wakeUp.nudge();
      });
    this.#running.add(running);
  }

  /** From the claim of a message until its answer is saved. */
  async #seeThrough(call: Call, side: Side): Promise<void> {
    const early = call.startAt - performance.now();
    if (early > 1) await sleep(early);
    const verdict = await new Promise<Verdict>((decide) => {
      side.ready.push({ call, decide });
      this.#admit();
    });
    const outcome = verdict === 'go' ? await this.#call(call) : this.#turnBack(call.message);
    await this.#answers.add({ ...call, outcome });
  }

  /** Lets calls begin, critical ones first, as far as there are places for them here and with their accounts. */
  #admit(): void {
    const now = Date.now();
    for (const side of [this.#critical, this.#other]) {
      side.ready = side.ready.filter(({ call: { message }, decide }) => {
        if (this.#calling >= side.concurrency && !this.#stopping) return true;
        const verdict = this.#stopping ? 'held' : this.#accounts.admit(message.tenant, message.lane, now);
        if (verdict === 'wait') return true;
        if (verdict === 'go') this.#begin(message);
        decide(verdict);
        return false;
      });
    }
  }

  #begin({ tenant }: Message): void {
    this.#calling++;
    inFlight.inc();
    this.#accounts.began(tenant);
  }

  #end({ tenant }: Message): void {
    this.#calling--;
    inFlight.dec();
    this.#accounts.ended(tenant);
    this.#admit();
  }

  async #call({ message, attempt }: Call): Promise<SendOutcome> {
    try {
      const since = Date.now();
      // A process that was suspended since the claim must not call: the attempt may be another's by the time it is answered.
      if (since >= Date.parse(attempt.leaseUntil) - this.#config.PROVIDER_TIMEOUT_MS) {
        return { kind: 'deferred', error: notCalledInTime, httpStatus: null, retryAfterMs: null };
      }
      // A call may wait for its slot; a STOP that came meanwhile sends the message back, and the next claim rejects it.
      if (since - Date.parse(attempt.startedAt) > claimIsFreshMs && (await this.#optOuts.add(message))) {
        return { kind: 'deferred', error: suppressed, httpStatus: null, retryAfterMs: null };
      }
      if (isTooLate(message, new Date()))
        return { kind: 'deferred', error: expired, httpStatus: null, retryAfterMs: 1000 };
      const due = Date.parse(message.sendAt ?? message.createdAt);
      if (attempt.number === 1) acceptSeconds.observe({ lane: message.lane }, Math.max(0, since - due) / 1000);
      const outcome = await this.#provider.send(message);
      failpoints.reached('dispatch.answered');
      sendAttempts.inc({ outcome: outcome.kind });
      this.#logRefusal(message, attempt, outcome);
      this.#learn(message.tenant, outcome, since);
      return outcome;
    } finally {
      this.#end(message);
    }
  }

  async #optedOut(messages: readonly Message[]): Promise<boolean[]> {
    const optedOut = await this.#transact((tx) => suppressedAmong(tx, messages));
    return messages.map(({ id }) => optedOut.has(id));
  }

  #logRefusal(message: Message, attempt: Attempt, outcome: SendOutcome): void {
    if (outcome.kind === 'accepted') return;
    const { kind, error, httpStatus } = outcome;
    this.#log.warn(
      {
        messageId: message.id,
        tenant: message.tenant,
        attempt: attempt.number,
        outcome: kind,
        errorCode: error.code,
        httpStatus,
      },
      `send ${kind}: ${error.title}`,
    );
  }

  #learn(tenant: string, outcome: SendOutcome, since: number): void {
    const circuit = this.#accounts.learn(tenant, outcome, since, Date.now());
    if (circuit === 'opened') {
      this.#log.error(
        { tenant },
        "the provider refuses the tenant's credentials: its messages are held until one gets through",
      );
    }
    if (circuit === 'closed') {
      this.#log.info({ tenant }, "the provider takes the tenant's credentials again");
      this.nudge();
    }
  }

  /** For a message that was claimed before its account was held, or this process was stopped: it goes back into its line. */
  #turnBack({ tenant }: Message): SendOutcome {
    const hold = this.#accounts.hold(tenant, Date.now());
    return {
      kind: 'deferred',
      error: this.#stopping ? stopped : accountHeld,
      httpStatus: null,
      retryAfterMs: hold.forMs,
      ...(hold.credentials && { credentials: true }),
    };
  }

  async #settle(batch: readonly Answered[]): Promise<undefined[]> {
    for (let failures = 0; ; failures++) {
      try {
        const steps = await this.#transact((tx) =>
          settleAll(tx, batch, this.#policy, (tenant) => this.#quotas.of(tenant)),
        );
        countSteps(steps);
        failpoints.reached('dispatch.settled');
        // What is due again tells the next look how long to wait.
        if (steps.some(({ message }) => message.dueAt !== null)) this.nudge();
        return batch.map(() => undefined);
      } catch (error) {
        // An answer is worth keeping while the database is away; past the lease the reconciler finds it out anew.
        if (!isTransient(error) || failures >= 6) throw error;
        this.#log.warn({ err: error }, 'answers of the provider wait for the database');
        await sleep(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  }
}

/** Settles attempts that are still open; one the reconciler has settled meanwhile is left as it is. */
async function settleAll(
  tx: Transaction,
  answers: readonly Answered[],
  policy: DispatchPolicy,
  quotas: (tenant: string) => Quotas,
): Promise<Step[]> {
  const now = new Date();
  const open = await lockAttempted(
    tx,
    answers.map(({ attempt }) => attempt.messageId),
  );
  const outcomes = new Map(answers.map((answer) => [answer.attempt.messageId, answer]));
  const settled = open.flatMap(({ message, attempt }) => {
    const answer = outcomes.get(message.id);
    return answer?.attempt.number === attempt.number
      ? settle(message, attempt, answer.outcome, now, policy, Math.random)
      : [];
  });
  const steps = settled.map(({ step }) => step);
  await save(tx, steps, [attemptsSettled(settled.map(({ attempt }) => attempt))]);
  const proved = answers.flatMap(({ message, attempt, outcome }) => provedBySend(message, attempt, outcome, now) ?? []);
  const suppressions = await applyRequests(tx, proved);
  onCommit(tx, () => countSuppressions(suppressions));
  // What was turned away has not used up any of the day's cap.
  const turnedAway = settled.filter(({ attempt }) => attempt.state === 'deferred');
  await giveBackCaps(
    tx,
    turnedAway.flatMap(({ step: { message }, attempt }) =>
      quotasFor(quotas(message.tenant), message).map(({ scope, budget }) => {
        return { tenant: message.tenant, scope, budget, at: Date.parse(attempt.startedAt) };
      }),
    ),
  );
  return steps;
}

const notCalledInTime: Failure = {
  code: 'not_called_in_time',
  class: 'retryable',
  title: 'Not called: it had waited so long for a free call that its lease was nearly over',
  remedy: 'Nothing to do for the message; signalbox_provider_request_seconds tells how slow the provider is',
};

const stopped: Failure = {
  code: 'stopped',
  class: 'retryable',
  title: 'Not called: the process was being stopped',
  remedy: 'Nothing to do: another replica sends it',
};

const accountHeld: Failure = {
  code: 'account_held',
  class: 'rate',
  title: 'Not called: the provider had just asked to pause, or refused the credentials of the account',
  remedy: 'Nothing to do for the message; see signalbox_messages_circuit_open for the account',
};
