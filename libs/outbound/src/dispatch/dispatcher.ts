import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure, Lane } from '@signalbox/contracts';
import { WakeUp } from '@signalbox/domain-service';
import { GroupCommit } from '@signalbox/group-commit';
import { failpoints, isTransient, type Transact } from '@signalbox/persistence';
import type { Logger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { type AccountHold, aheadOfCalls, withoutReserve } from '../account/account.rules.ts';
import { Accounts } from '../account/accounts.ts';
import type { Attempt } from '../attempt/attempt.ts';
import type { DispatchConfig } from '../config.ts';
import { type DispatchMetrics, quotaThrottled } from '../metrics.ts';
import type { QuotaBook } from '../quota/quota.book.ts';
import type { Throttled } from './allot.rules.ts';
import { claim } from './claim.ts';
import { giveBackUnsent } from './give-back.ts';
import type { Item } from './item.ts';
import type { SendOutcome } from './outcome.ts';
import type { Answered, Call, Outgoing } from './outgoing.ts';
import { reline } from './reline.ts';

/** Lanes that are claimed together. Each side has its own loop, so that no code waits for a claim of bulk to end. */
interface Side<I extends Item> {
  readonly lanes: readonly Lane[];
  /** Calls at once; the other side may have taken some of them. */
  readonly concurrency: number;
  /** Items claimed at once: more than may be called, so that calls need not wait for a claim nor for answers to be saved. */
  readonly places: number;
  readonly wakeUp: WakeUp;
  /** Items may have been left in line for want of places, here or with their account: an answer makes some. */
  full: boolean;
  claimed: number;
  /** Claimed, their slot has begun, waiting for a free call. */
  ready: { readonly call: Call<I>; readonly decide: (verdict: Verdict) => void }[];
}

type Verdict = 'go' | 'held';

/** Under load so many milliseconds of answers are saved together; a lone one waits for nothing. */
const settleEveryMs = 40;

/** For how long after a code the other lanes go slower. */
const yieldMs = 1_000;

/** How often messages are looked for that would expire before their daily cap lets them go. */
const rejectEveryMs = 1_000;

/** Items of a held line that one transaction sends to another one. */
const relinedAtOnce = 500;

export interface DispatcherOptions<I extends Item> {
  readonly outgoing: Outgoing<I>;
  readonly transact: Transact;
  readonly quotas: Pick<QuotaBook, 'of' | 'refresh' | 'onChange'>;
  readonly tenants: Pick<TenantDirectory, 'byName'>;
  readonly config: Pick<
    DispatchConfig,
    'DISPATCH_CONCURRENCY' | 'DISPATCH_POLL_MS' | 'CREDENTIALS_PROBE_MS' | 'PROVIDER_TIMEOUT_MS'
  >;
  readonly metrics: DispatchMetrics;
  readonly log: Logger;
}

/**
 * Hands due items to a provider: claims a batch (an attempt row each, committed before any call) with the slots of its
 * quotas, calls with bounded concurrency, and settles answers in batches. Replicas share the work through row locks that
 * skip each other, and the quotas through the locks on their buckets.
 */
export class Dispatcher<I extends Item = Item> {
  readonly #outgoing: Outgoing<I>;
  readonly #transact: Transact;
  readonly #quotas: DispatcherOptions<I>['quotas'];
  readonly #accounts: Accounts;
  readonly #config: DispatcherOptions<I>['config'];
  readonly #metrics: DispatchMetrics;
  readonly #log: Logger;
  readonly #worker = `${hostname()}/${process.pid}`;
  readonly #critical: Side<I>;
  readonly #other: Side<I>;
  /** What is to be finished before a stop: everything claimed. */
  readonly #running = new Set<Promise<void>>();
  readonly #answers: GroupCommit<Answered<I>, undefined>;
  #calling = 0;
  #criticalLook: Promise<unknown> = Promise.resolve();
  #rejectAt = 0;
  #yieldUntil = 0;
  #stopping = false;
  #loops: Promise<unknown> | undefined;

  constructor({ outgoing, transact, quotas, tenants, config, metrics, log }: DispatcherOptions<I>) {
    this.#outgoing = outgoing;
    this.#transact = transact;
    this.#quotas = quotas;
    this.#config = config;
    this.#metrics = metrics;
    this.#log = log;
    const most = config.DISPATCH_CONCURRENCY;
    this.#accounts = new Accounts(tenants, { maxConcurrency: most, probeMs: config.CREDENTIALS_PROBE_MS }, metrics);
    this.#critical = newSide(['critical'], most);
    this.#other = newSide(['transactional', 'bulk'], withoutReserve(most));
    this.#answers = new GroupCommit((batch) => this.#settle(batch), { maxItems: 500, minIntervalMs: settleEveryMs });
    quotas.onChange(() => this.nudge());
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

  /** Something may be due: look now and not at the next poll. */
  nudge(): void {
    this.#critical.wakeUp.nudge();
    this.#other.wakeUp.nudge();
  }

  /** Why this replica sends nothing of the tenant; null when it does. */
  holdOf(tenant: string): AccountHold | null {
    return this.#accounts.holdOf(tenant, Date.now());
  }

  async #run(side: Side<I>): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      try {
        const waitMs = await this.#look(side);
        failures = 0;
        if (waitMs > 0) await side.wakeUp.wait(waitMs);
      } catch (error) {
        failures++;
        this.#log[isTransient(error) ? 'warn' : 'error']({ err: error, failures }, 'dispatch could not claim');
        await side.wakeUp.wait(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  }

  /** Looks at the queue once; tells how long to wait for the next look, unless there is a nudge before. */
  async #look(side: Side<I>): Promise<number> {
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
  #placesOf(side: Side<I>): number {
    const yields = side === this.#other && performance.now() < this.#yieldUntil;
    return yields ? Math.ceil(side.places / 20) : side.places;
  }

  async #claim(side: Side<I>, places: number): Promise<number> {
    await this.#quotas.refresh();
    const claimed = await this.#transact((tx) =>
      claim(tx, this.#outgoing, {
        lanes: side.lanes,
        places,
        worker: this.#worker,
        quotas: (tenant) => this.#quotas.of(tenant),
        room: (tenant) => {
          const room = this.#accounts.room(tenant, Date.now());
          if (room.room === 0) side.full = true;
          return room;
        },
        random: Math.random,
      }),
    );
    if (claimed.calls.length > 0) failpoints.reached('dispatch.claimed');
    if (side === this.#critical && claimed.calls.length > 0) this.#yieldUntil = performance.now() + yieldMs;
    for (const call of claimed.calls) this.#take(call, side);
    for (const { quota } of claimed.throttled) quotaThrottled.inc({ scope_kind: quota.scope.kind });
    const relined = await this.#lookOverCaps(claimed.throttled);
    // Whatever was found, there may be more.
    if (claimed.changed || relined) return 0;
    const heldMs = this.#accounts.heldUntil(Date.now()) - Date.now();
    return Math.max(1, Math.min(this.#config.DISPATCH_POLL_MS, claimed.moreInMs, heldMs));
  }

  /** True when something was sent to another line, which may go on. */
  async #lookOverCaps(throttled: readonly Throttled[]): Promise<boolean> {
    const capped = throttled.filter(({ why }) => why === 'cap');
    if (capped.length === 0 || performance.now() < this.#rejectAt) return false;
    this.#rejectAt = performance.now() + rejectEveryMs;
    let relined = false;
    for (const held of capped) {
      const quotas = this.#quotas.of(held.line.tenant);
      await this.#transact(async (tx) => {
        if ((await reline(tx, this.#outgoing, held.line, quotas, new Date(), relinedAtOnce)) > 0) relined = true;
        else await this.#outgoing.overCap?.(tx, held, new Date());
      });
    }
    return relined;
  }

  #take(call: Call<I>, side: Side<I>): void {
    const { tenant, id } = call.item;
    side.claimed++;
    this.#accounts.claimed(tenant);
    const running = this.#seeThrough(call, side)
      .catch((error: unknown) => {
        // The attempt row stays open; it is in doubt when its lease has run out.
        this.#log.error({ err: error, [this.#outgoing.idName]: id }, 'an answer of the provider could not be saved');
      })
      .finally(() => {
        side.claimed--;
        this.#accounts.settled(tenant);
        this.#running.delete(running);
        if (side.full && this.#placesOf(side) * 0.75 >= side.claimed) side.wakeUp.nudge();
      });
    this.#running.add(running);
  }

  /** From the claim of an item until its answer is saved. */
  async #seeThrough(call: Call<I>, side: Side<I>): Promise<void> {
    const early = call.startAt - performance.now();
    if (early > 1) await sleep(early);
    const verdict = await new Promise<Verdict>((decide) => {
      side.ready.push({ call, decide });
      this.#admit();
    });
    const outcome = verdict === 'go' ? await this.#call(call) : this.#turnBack(call.item);
    await this.#answers.add({ item: call.item, attempt: call.attempt, outcome });
  }

  /** Lets calls begin, critical ones first, as far as there are places for them here and with their accounts. */
  #admit(): void {
    const now = Date.now();
    for (const side of [this.#critical, this.#other]) {
      side.ready = side.ready.filter(({ call: { item }, decide }) => {
        if (this.#calling >= side.concurrency && !this.#stopping) return true;
        const verdict = this.#stopping ? 'held' : this.#accounts.admit(item.tenant, item.lane, now);
        if (verdict === 'wait') return true;
        if (verdict === 'go') this.#begin(item);
        decide(verdict);
        return false;
      });
    }
  }

  #begin({ tenant }: Item): void {
    this.#calling++;
    this.#metrics.inFlight.inc();
    this.#accounts.began(tenant);
  }

  #end({ tenant }: Item): void {
    this.#calling--;
    this.#metrics.inFlight.dec();
    this.#accounts.ended(tenant);
    this.#admit();
  }

  async #call({ item, attempt }: Call<I>): Promise<SendOutcome> {
    try {
      const since = Date.now();
      // A process that was suspended since the claim must not call: the attempt may be another's by the time it is answered.
      if (since >= Date.parse(attempt.leaseUntil) - this.#config.PROVIDER_TIMEOUT_MS) {
        return { kind: 'deferred', error: notCalledInTime, httpStatus: null, retryAfterMs: null };
      }
      const why = await this.#reconsider(item, attempt);
      if (why) return why;
      const outcome = await this.#outgoing.send(item, attempt);
      failpoints.reached('dispatch.answered');
      this.#metrics.sendAttempts.inc({ outcome: outcome.kind });
      this.#logRefusal(item, attempt, outcome);
      this.#learn(item.tenant, outcome, since);
      return outcome;
    } finally {
      this.#end(item);
    }
  }

  /** Nothing is sent yet: when it cannot be found out whether it may be, the attempt is no doubt but comes back later. */
  async #reconsider(item: I, attempt: Attempt): Promise<SendOutcome | undefined> {
    try {
      return await this.#outgoing.reconsider?.(item, attempt);
    } catch (error) {
      this.#log.warn(
        { err: error, [this.#outgoing.idName]: item.id },
        'not called: it could not be looked at once more',
      );
      return { kind: 'deferred', error: notReconsidered, httpStatus: null, retryAfterMs: null };
    }
  }

  #logRefusal({ id, tenant }: Item, attempt: Attempt, outcome: SendOutcome): void {
    if (outcome.kind === 'accepted') return;
    const { kind, error, httpStatus } = outcome;
    this.#log.warn(
      {
        [this.#outgoing.idName]: id,
        tenant,
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
        "the provider refuses the tenant's credentials: what it sends is held until one gets through",
      );
    }
    if (circuit === 'closed') {
      this.#log.info({ tenant }, "the provider takes the tenant's credentials again");
      this.nudge();
    }
  }

  /** For an item that was claimed before its account was held, or this process was stopped: it goes back into its line. */
  #turnBack({ tenant }: Item): SendOutcome {
    const hold = this.#accounts.hold(tenant, Date.now());
    return {
      kind: 'deferred',
      error: this.#stopping ? stopped : accountHeld,
      httpStatus: null,
      retryAfterMs: hold.forMs,
      ...(hold.credentials && { credentials: true }),
    };
  }

  async #settle(batch: readonly Answered<I>[]): Promise<undefined[]> {
    for (let failures = 0; ; failures++) {
      try {
        const settled = await this.#transact(async (tx) => {
          const all = await this.#outgoing.settle(tx, batch, new Date());
          await giveBackUnsent(
            tx,
            this.#outgoing.kinds,
            this.#quotas,
            all.filter(({ attempt: { state } }) => state === 'deferred' || state === 'refused'),
          );
          return all;
        });
        failpoints.reached('dispatch.settled');
        // What is due again tells the next look how long to wait.
        if (settled.some(({ dueAgain }) => dueAgain)) this.nudge();
        return batch.map(() => undefined);
      } catch (error) {
        // An answer is worth keeping while the database is away; past the lease the attempt is in doubt.
        if (!isTransient(error) || failures >= 6) throw error;
        this.#log.warn({ err: error }, 'answers of the provider wait for the database');
        await sleep(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  }
}

function newSide<I extends Item>(lanes: readonly Lane[], concurrency: number): Side<I> {
  return {
    lanes,
    concurrency,
    places: concurrency * aheadOfCalls,
    wakeUp: new WakeUp(),
    full: false,
    claimed: 0,
    ready: [],
  };
}

const notCalledInTime: Failure = {
  code: 'not_called_in_time',
  class: 'retryable',
  title: 'Not called: it had waited so long for a free call that its lease was nearly over',
  remedy: 'Nothing to do for it; signalbox_provider_request_seconds tells how slow the provider is',
};

const notReconsidered: Failure = {
  code: 'not_reconsidered',
  class: 'retryable',
  title: 'Not called: whether it may still be sent could not be found out',
  remedy: 'Nothing to do: it is sent when the database answers again',
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
  remedy: "Nothing to do for it; the service's circuit_open metric tells whether the account's credentials are refused",
};
