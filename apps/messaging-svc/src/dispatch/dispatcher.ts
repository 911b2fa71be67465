import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { GroupCommit } from '@signalbox/group-commit';
import { isTransient, type Transact, type Transaction } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIG, type MessagingConfig } from '../config.ts';
import type { Message, Step } from '../message/message.ts';
import { lock, lockDue, save } from '../message/message.store.ts';
import { acceptSeconds, countSteps, inFlight, sendAttempts } from '../metrics.ts';
import { TRANSACT } from '../transact.ts';
import type { Attempt, SendOutcome } from './attempt.ts';
import { insertAttempts, openAttempts, saveAttempts } from './attempt.store.ts';
import { openAttempt, settle } from './dispatch.rules.ts';
import { type DispatchPolicy, policyOf } from './policy.ts';
import { MessageProvider } from './provider.ts';
import { WakeUp } from './wake-up.ts';

interface Call {
  readonly message: Message;
  readonly attempt: Attempt;
}

interface Answered {
  readonly attempt: Attempt;
  readonly outcome: SendOutcome;
}

/**
 * Hands due messages to the provider: claims a batch (an attempt row each, committed before any call), calls with bounded
 * concurrency, and settles answers in batches. Replicas share the work through row locks that skip each other.
 */
@Injectable()
export class Dispatcher {
  readonly #transact: Transact;
  readonly #provider: MessageProvider;
  readonly #config: MessagingConfig;
  readonly #policy: DispatchPolicy;
  readonly #log: Logger;
  readonly #worker = `${hostname()}/${process.pid}`;
  readonly #wakeUp = new WakeUp();
  readonly #calls = new Set<Promise<void>>();
  readonly #answers: GroupCommit<Answered, undefined>;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(
    @Inject(TRANSACT) transact: Transact,
    @Inject(MessageProvider) provider: MessageProvider,
    @Inject(CONFIG) config: MessagingConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#transact = transact;
    this.#provider = provider;
    this.#config = config;
    this.#policy = policyOf(config);
    this.#log = log;
    this.#answers = new GroupCommit((batch) => this.#settle(batch), { maxItems: 500 });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Claims nothing more, lets the calls under way be answered and settled. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp.nudge();
    await this.#running;
    await Promise.all(this.#calls);
  }

  /** Messages may be due: look now and not at the next poll. */
  nudge(): void {
    this.#wakeUp.nudge();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      try {
        const free = this.#config.DISPATCH_CONCURRENCY - this.#calls.size;
        const calls = free > 0 ? await this.#claim(free) : [];
        for (const call of calls) this.#start(call);
        failures = 0;
        // A full claim means that there is more: the next one waits for a free place only.
        if (free > 0 && calls.length < free) await this.#wakeUp.wait(this.#config.DISPATCH_POLL_MS);
        else await this.#someAnswered();
      } catch (error) {
        failures++;
        this.#log[isTransient(error) ? 'warn' : 'error']({ err: error, failures }, 'dispatch could not claim messages');
        await this.#wakeUp.wait(Math.min(5_000, 100 * 2 ** failures));
      }
    }
  }

  /** Until a quarter of the places is free, so that claims stay batches under load. */
  async #someAnswered(): Promise<void> {
    const enough = Math.floor(this.#config.DISPATCH_CONCURRENCY * 0.75);
    while (this.#calls.size > enough) await Promise.race(this.#calls);
  }

  async #claim(limit: number): Promise<Call[]> {
    const { steps, calls } = await this.#transact((tx) => claim(tx, limit, this.#worker, this.#policy));
    countSteps(steps);
    return calls;
  }

  #start(call: Call): void {
    const running = this.#call(call)
      .catch((error: unknown) => {
        // The attempt row stays open; the reconciler settles it when its lease has run out.
        this.#log.error({ err: error, messageId: call.message.id }, 'an answer of the provider could not be saved');
      })
      .finally(() => {
        this.#calls.delete(running);
        inFlight.dec();
      });
    inFlight.inc();
    this.#calls.add(running);
  }

  async #call({ message, attempt }: Call): Promise<void> {
    const latestStart = Date.parse(attempt.leaseUntil) - this.#config.PROVIDER_TIMEOUT_MS;
    // A process that was suspended since the claim must not call: the attempt may be another's by the time it is answered.
    if (Date.now() >= latestStart) return;
    const since = Date.parse(message.sendAt ?? message.createdAt);
    if (attempt.number === 1) acceptSeconds.observe({ lane: message.lane }, Math.max(0, Date.now() - since) / 1000);
    const outcome = await this.#provider.send(message);
    sendAttempts.inc({ outcome: outcome.kind });
    if (outcome.kind !== 'accepted') {
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
    await this.#answers.add({ attempt, outcome });
  }

  async #settle(batch: readonly Answered[]): Promise<undefined[]> {
    for (let failures = 0; ; failures++) {
      try {
        const steps = await this.#transact((tx) => settleAll(tx, batch, this.#policy));
        countSteps(steps);
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

async function claim(
  tx: Transaction,
  limit: number,
  worker: string,
  policy: DispatchPolicy,
): Promise<{ steps: Step[]; calls: Call[] }> {
  const now = new Date();
  const due = await lockDue(tx, now, limit);
  const opened = due.map((message) => openAttempt(message, now, worker, policy));
  const steps = opened.map(({ step }) => step);
  const calls = opened.flatMap(({ step, attempt }) => (attempt ? [{ message: step.message, attempt }] : []));
  await save(tx, steps);
  await insertAttempts(
    tx,
    calls.map(({ attempt }) => attempt),
  );
  return { steps, calls };
}

/** Settles attempts that are still open; one the reconciler has settled meanwhile is left as it is. */
export async function settleAll(
  tx: Transaction,
  answers: readonly Answered[],
  policy: DispatchPolicy,
): Promise<Step[]> {
  const now = new Date();
  const ids = answers.map(({ attempt }) => attempt.messageId);
  const messages = await lock(tx, ids);
  const open = new Map((await openAttempts(tx, ids)).map((attempt) => [attempt.messageId, attempt]));
  const settled = answers.flatMap(({ attempt, outcome }) => {
    const message = messages.get(attempt.messageId);
    const current = open.get(attempt.messageId);
    if (!message || current?.number !== attempt.number) return [];
    return [settle(message, current, outcome, now, policy, Math.random)];
  });
  await save(
    tx,
    settled.map(({ step }) => step),
  );
  await saveAttempts(
    tx,
    settled.map(({ attempt }) => attempt),
  );
  return settled.map(({ step }) => step);
}
