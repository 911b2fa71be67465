import { Inject, Injectable } from '@nestjs/common';
import type { Failure } from '@signalbox/contracts';
import { Periodic, TRANSACT } from '@signalbox/domain-service';
import { isTransient, onCommit, run, type Transact, type Transaction, writeAll } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { CONFIG, type VerifyConfig } from '../config.ts';
import { Guard } from '../guard/guard.ts';
import { countSteps } from '../metrics.ts';
import type { Delivery } from '../send/attempt.ts';
import { attemptsOf, verificationsBySid } from '../send/attempt.store.ts';
import { Opener, type Opened, type Want } from '../send/opener.ts';
import { VerifyProvider } from '../send/provider.ts';
import { type Call, endingOf, Sender } from '../send/sender.ts';
import { giveUp } from '../send/settle.rules.ts';
import { isFinal } from '../verification/verification.state.ts';
import { note, type Step, unchanged, type Verification } from '../verification/verification.ts';
import {
  eventsWritten,
  find,
  type HistoryLine,
  historyWritten,
  lock,
  lockFree,
  toVerification,
  verificationNames,
  type VerificationRow,
  verificationsSaved,
} from '../verification/verification.store.ts';
import { type DueTask, nextChannel, taskOf } from './due.rules.ts';

/** After which work that a replica has taken and not done is taken by another. */
const takenForMs = 30_000;

/** What failed for good is tried again after this long: it may have been the service's fault, which is mended since. */
const failedForMs = 300_000;

/**
 * What nobody waits for: codes asked for over Kafka, channels after one that did not work, second tries, the end of time, and
 * telling Twilio how it ended.
 */
@Injectable()
export class DueWork {
  readonly #work: Periodic;
  readonly #running = new Set<Promise<void>>();

  constructor(
    @Inject(TRANSACT) private readonly transact: Transact,
    @Inject(Opener) private readonly opener: Opener,
    @Inject(Sender) private readonly sender: Sender,
    @Inject(VerifyProvider) private readonly provider: VerifyProvider,
    @Inject(Guard) private readonly guard: Guard,
    @Inject(CONFIG) private readonly config: Pick<VerifyConfig, 'DUE_POLL_MS' | 'BACKGROUND_CONCURRENCY'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.#work = new Periodic('due verifications', config.DUE_POLL_MS, log, () => this.pass());
  }

  start(): void {
    this.#work.start();
  }

  /** There may be something due before the next look. */
  nudge(): void {
    this.#work.nudge();
  }

  /** Resolves when what was begun has ended. */
  async stop(): Promise<void> {
    await this.#work.stop();
    await Promise.all(this.#running);
  }

  /** Does what is due; true when there is more than fits. */
  async pass(): Promise<boolean> {
    const free = this.config.BACKGROUND_CONCURRENCY - this.#running.size;
    if (free <= 0) return false;
    const due = await this.transact((tx) => readDue(tx, free));
    if (due.length === 0) return false;
    const now = new Date();
    const tasks = due.map((verification) => ({ verification, ...taskOf(verification, now) }));
    const sends = tasks.flatMap((one) => (one.task === 'send' ? wantOf(one.verification, one.why) : []));
    const others = tasks.filter(({ task }) => task !== 'send').map(({ verification }) => verification.id);
    const calls = await this.#apart(
      sends,
      ({ known }) => known.id,
      (tx, some) => this.#open(tx, some),
    );
    for (const call of calls) this.#run(call.verification.id, async () => void (await this.sender.send(call)));
    const taken = await this.#apart(
      others,
      (id) => id,
      (tx, some) => this.#take(tx, some),
    );
    for (const { verification, task } of taken) this.#run(verification.id, () => this.#do(verification, task));
    return due.length === free;
  }

  /** All in one transaction; each in its own when that fails for good, so that one that always fails stops no other. */
  async #apart<One, Done>(
    all: readonly One[],
    idOf: (one: One) => string,
    work: (tx: Transaction, some: readonly One[]) => Promise<Done[]>,
  ): Promise<Done[]> {
    if (all.length === 0) return [];
    try {
      return await this.transact((tx) => work(tx, all));
    } catch (error) {
      if (isTransient(error)) throw error;
      this.log.warn({ err: error, count: all.length }, 'due work failed together; each is done apart');
    }
    const done: Done[] = [];
    for (const one of all) {
      try {
        done.push(...(await this.#doOrPutOff(idOf(one), (tx) => work(tx, [one]))));
      } catch (error) {
        if (done.length === 0) throw error;
        this.log.warn({ err: error }, 'due work is broken off: what was begun goes on, the rest stays due');
        break;
      }
    }
    return done;
  }

  async #doOrPutOff<Done>(id: string, work: (tx: Transaction) => Promise<Done[]>): Promise<Done[]> {
    try {
      return await this.transact(work);
    } catch (error) {
      if (isTransient(error)) throw error;
      this.log.error({ err: error, verificationId: id }, 'due work failed; it is put off');
      await this.#putOff(id);
      return [];
    }
  }

  /** At the head of the line it would be read again at once, and before all others. */
  async #putOff(id: string): Promise<void> {
    await this.transact((tx) =>
      run(tx, 'update verifications set due_at = $2 where id = $1 and due_at is not null', [
        id,
        new Date(Date.now() + failedForMs),
      ]),
    );
  }

  /** Not waited for, and never more than may run at once. */
  #run(verificationId: string, work: () => Promise<void>): void {
    const running: Promise<void> = work()
      .catch((err: unknown) => this.log.warn({ err, verificationId }, 'due work failed; it is tried again'))
      .finally(() => {
        this.#running.delete(running);
        // What did not fit may fit now.
        if (this.#running.size + 1 === this.config.BACKGROUND_CONCURRENCY) this.nudge();
      });
    this.#running.add(running);
  }

  /** Opens what is to be sent; what a limit forbids is not sent later either. */
  async #open(tx: Transaction, wants: readonly Extract<Want, { kind: 'more' }>[]): Promise<Call[]> {
    const opened = await this.opener.open(tx, wants);
    const limited = opened.flatMap((one, index) => {
      const id = wants[index]?.known.id;
      return one.result === 'limited' && id !== undefined ? [{ id, limit: one }] : [];
    });
    if (limited.length > 0) await this.#refuse(tx, limited);
    return opened.flatMap((one) => (one.result === 'opened' ? one : []));
  }

  async #refuse(
    tx: Transaction,
    limited: readonly { id: string; limit: Extract<Opened, { result: 'limited' }> }[],
  ): Promise<void> {
    const locked = await lock(
      tx,
      limited.map(({ id }) => id),
    );
    const now = new Date();
    const history: HistoryLine[] = [];
    const steps = limited.flatMap(({ id, limit }) => {
      const verification = locked.get(id);
      if (!verification) return [];
      const { scope, retryAfterMs } = limit;
      history.push({
        verificationId: id,
        at: now.toISOString(),
        kind: 'limited',
        detail: { scope, retryAfter: Math.ceil(retryAfterMs / 1000) },
      });
      return [giveUp(unchanged(verification), tooOften(scope), { now })];
    });
    await this.#save(tx, steps, now, history);
  }

  /** Ends what is over, and takes the rest for a while. */
  async #take(
    tx: Transaction,
    ids: readonly string[],
  ): Promise<{ verification: Verification; task: 'tell' | 'ask' }[]> {
    const now = new Date();
    const until = new Date(now.getTime() + takenForMs).toISOString();
    const taken: { verification: Verification; task: 'tell' | 'ask' }[] = [];
    const steps = [...(await lockFree(tx, ids)).values()].map((verification): Step => {
      const due = taskOf(verification, now);
      if (due.task === 'tell' || due.task === 'ask') taken.push({ verification, task: due.task });
      return stepOf(verification, due, until);
    });
    await this.#save(tx, steps, now);
    return taken;
  }

  async #do(verification: Verification, task: 'tell' | 'ask'): Promise<void> {
    return task === 'tell' ? this.#tell(verification) : this.#ask(verification);
  }

  async #tell(verification: Verification): Promise<void> {
    const { providerSid, toTell } = verification;
    if (providerSid !== null && toTell !== null && !(await this.#isShared(verification, providerSid)))
      await this.provider.tell(verification, providerSid, toTell);
    await this.#change(verification.id, (step) => note(step, { toTell: null, dueAt: null }));
  }

  /** Whether a later verification goes on under the same SID: then it is not to be ended there. */
  #isShared({ id, tenant }: Verification, providerSid: string): Promise<boolean> {
    return this.transact(async (tx) => {
      const ids = (await verificationsBySid(tx, [providerSid])).get(providerSid) ?? [];
      const others = await find(
        tx,
        ids.filter((one) => one !== id),
      );
      // Another tenant may have named the SID in a callback of its own.
      return others.some((other) => other.tenant === tenant && !isFinal(other.state));
    });
  }

  /** Whether a channel that is silent has delivered all the same. */
  async #ask(verification: Verification): Promise<void> {
    const attempts = (await this.transact((tx) => attemptsOf(tx, [verification.id]))).get(verification.id) ?? [];
    const last = attempts.findLast(({ state }) => state === 'accepted');
    let delivery: Delivery | null = last?.delivery ?? null;
    if (last?.attemptSid && delivery !== 'delivered' && delivery !== 'undelivered') {
      delivery = (await this.provider.deliveryOf(verification, last.attemptSid)) ?? delivery;
    }
    await this.#change(verification.id, (step) => {
      const { verification: current } = step;
      const isStale = current.wants !== null || current.position !== verification.position;
      if (isStale) return step;
      const next = delivery === 'delivered' ? null : nextChannel(current);
      if (!next) return note(step, { dueAt: current.expiresAt });
      const wants = delivery === 'undelivered' ? 'undelivered' : 'silence';
      return note(step, { position: next.position, wants, dueAt: new Date().toISOString() });
    });
    this.nudge();
  }

  async #change(id: string, change: (step: Step) => Step): Promise<void> {
    await this.transact(async (tx) => {
      const steps = [...(await lock(tx, [id])).values()].map((verification) => change(unchanged(verification)));
      await this.#save(tx, steps, new Date());
    });
  }

  async #save(tx: Transaction, steps: readonly Step[], now: Date, history: readonly HistoryLine[] = []): Promise<void> {
    const ended = steps.flatMap((step) => endingOf(step, now));
    if (ended.length > 0) this.guard.learn(tx, ended);
    await writeAll(tx, [verificationsSaved(steps), historyWritten(steps, history), eventsWritten(steps)]);
    onCommit(tx, () => countSteps(steps));
  }
}

async function readDue(tx: Transaction, limit: number): Promise<Verification[]> {
  const { rows } = await run<VerificationRow>(
    tx,
    `select ${verificationNames('v')} from verifications v where v.due_at <= $1 order by v.due_at limit $2`,
    [new Date(), limit],
  );
  return rows.map(toVerification);
}

function wantOf(known: Verification, why: Extract<Want, { kind: 'more' }>['why']): Extract<Want, { kind: 'more' }> {
  const revise = (locked: Verification) => (taskOf(locked, new Date()).task === 'send' ? locked : null);
  return { kind: 'more', known, why, code: null, revise };
}

function stepOf(verification: Verification, due: DueTask, until: string): Step {
  const step = unchanged(verification);
  switch (due.task) {
    case 'end':
      return due.step;
    case 'tell':
    case 'ask':
      return note(step, { dueAt: until });
    case 'wait':
      return note(step, { dueAt: due.dueAt });
    case 'send':
      // It has become one since it was read: the next look sends it.
      return step;
  }
}

function tooOften(scope: string): Failure {
  return {
    code: `limited_${scope}`,
    class: 'rate',
    title: 'A limit did not allow another code',
    remedy: 'Ask again later; the limits are verify.limits of the tenant file',
  };
}
