import type { Failure } from '@signalbox/contracts';
import { GroupCommit } from '@signalbox/group-commit';
import {
  type Answered,
  type Attempt,
  type Decision,
  lockExpiringInLine,
  type Outgoing,
  type SendOutcome,
  type Settled,
  type Throttled,
} from '@signalbox/outbound';
import { onCommit, type Transact, type Transaction, type Write } from '@signalbox/persistence';
import type { TenantDirectory } from '@signalbox/tenants';
import { lastInbound } from '../content/last-inbound.store.ts';
import { needsWindow } from '../content/whatsapp.rules.ts';
import { type Message, move, note, type Step, unchanged } from '../message/message.ts';
import { messageTable, save } from '../message/message.store.ts';
import { acceptSeconds, countSteps, countSuppressions } from '../metrics.ts';
import { quotaKinds } from '../quota/quota-kinds.rules.ts';
import { holdBack } from '../schedule/release.rules.ts';
import { provedBySend } from '../suppression/refusal.rules.ts';
import { suppress, suppressed } from '../suppression/suppression.rules.ts';
import { applyRequests, suppressedAmong } from '../suppression/suppression.store.ts';
import { attempts } from './attempt.store.ts';
import { type DispatchPolicy, expired, isTooLate, openAttempt, settle } from './dispatch.rules.ts';
import type { MessageProvider } from './provider.ts';

interface MessageDecision extends Decision<Message> {
  readonly step: Step;
}

/** So long after its claim a call need not ask again whether the recipient has opted out. */
const claimIsFreshMs = 100;

/** What is dispatched here: messages, with all that may keep one from being sent. */
export class OutgoingMessages implements Outgoing<Message, MessageDecision> {
  readonly table = messageTable;
  readonly kinds = quotaKinds;
  readonly idName = 'messageId';
  readonly #transact: Transact;
  readonly #provider: Pick<MessageProvider, 'send'>;
  readonly #tenants: Pick<TenantDirectory, 'byName'>;
  readonly #policy: DispatchPolicy;
  readonly #optOuts: GroupCommit<Message, boolean>;

  constructor(
    transact: Transact,
    provider: Pick<MessageProvider, 'send'>,
    tenants: Pick<TenantDirectory, 'byName'>,
    policy: DispatchPolicy,
  ) {
    this.#transact = transact;
    this.#provider = provider;
    this.#tenants = tenants;
    this.#policy = policy;
    this.#optOuts = new GroupCommit((batch) => this.#optedOut(batch), { maxItems: 500 });
  }

  async decide(
    tx: Transaction,
    messages: readonly Message[],
    now: Date,
    worker: string,
  ): Promise<readonly MessageDecision[]> {
    // After the lock and in the same transaction: whatever opt-out is committed by now, this claim obeys.
    const optedOut = await suppressedAmong(tx, messages);
    const inbound = await lastInbound(tx, messages.filter(needsWindow), now);
    return messages.map((message) => {
      if (optedOut.has(message.id)) return decided(suppress(message, now));
      const { step, attempt } = openAttempt(message, now, worker, this.#policy);
      if (attempt === null) return decided(step);
      const tenant = this.#tenants.byName(message.tenant);
      const held = holdBack(message, { now, tenant, lastInbound: inbound, marginMs: this.#policy.leaseMs });
      return held ? decided(held) : decided(step, attempt);
    });
  }

  moveTo(message: Message, queue: string, now: Date): MessageDecision {
    return decided(note(unchanged(message), now.toISOString(), { queue }));
  }

  async save(tx: Transaction, decisions: readonly MessageDecision[], along: readonly Write[]): Promise<void> {
    const steps = decisions.map(({ step }) => step);
    await save(tx, steps, [attempts.opened(decisions.flatMap(({ attempt }) => attempt ?? [])), ...along]);
    onCommit(tx, () => countSteps(steps));
  }

  /** Rejects messages that would expire before the cap of their line lets them go, so that the sender hears of it now. */
  async overCap(tx: Transaction, { line, untilMs }: Throttled, now: Date): Promise<void> {
    const expiring = await lockExpiringInLine(tx, messageTable, line, new Date(untilMs), 500);
    const steps = expiring.map((message) =>
      move(unchanged(message), 'rejected', now.toISOString(), { error: overQuota }),
    );
    await save(tx, steps);
    onCommit(tx, () => countSteps(steps));
  }

  async reconsider(message: Message, attempt: Attempt): Promise<SendOutcome | undefined> {
    // A call may wait for its slot; a STOP that came meanwhile sends the message back, and the next claim rejects it.
    if (Date.now() - Date.parse(attempt.startedAt) > claimIsFreshMs && (await this.#optOuts.add(message))) {
      return { kind: 'deferred', error: suppressed, httpStatus: null, retryAfterMs: null };
    }
    if (isTooLate(message, new Date())) {
      return { kind: 'deferred', error: expired, httpStatus: null, retryAfterMs: 1000 };
    }
    return undefined;
  }

  async send(message: Message, attempt: Attempt): Promise<SendOutcome> {
    const due = Date.parse(message.sendAt ?? message.createdAt);
    if (attempt.number === 1) acceptSeconds.observe({ lane: message.lane }, Math.max(0, Date.now() - due) / 1000);
    return this.#provider.send(message);
  }

  async settle(
    tx: Transaction,
    answers: readonly Answered<Message>[],
    now: Date,
  ): Promise<readonly Settled<Message>[]> {
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
    const proved = answers.flatMap(({ item, attempt, outcome }) => provedBySend(item, attempt, outcome, now) ?? []);
    const suppressions = await applyRequests(tx, proved);
    onCommit(tx, () => {
      countSteps(steps);
      countSuppressions(suppressions);
    });
    return settled.map(({ step: { message }, attempt }) => {
      return { item: message, attempt, dueAgain: message.dueAt !== null };
    });
  }

  async #optedOut(messages: readonly Message[]): Promise<boolean[]> {
    const optedOut = await this.#transact((tx) => suppressedAmong(tx, messages));
    return messages.map(({ id }) => optedOut.has(id));
  }
}

function decided(step: Step, attempt: Attempt | null = null): MessageDecision {
  return { item: step.message, step, attempt };
}

const overQuota: Failure = {
  code: 'over_quota',
  class: 'rate',
  title: "The day's cap is reached and the message would expire before the next day begins",
  remedy: 'Raise the cap (PUT /v1/quotas/…), spread the traffic over senders, or allow the message more time',
};
