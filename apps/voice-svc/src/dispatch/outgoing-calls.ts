import type { Answered, Attempt, Decision, Outgoing, SendOutcome, Settled } from '@signalbox/outbound';
import { onCommit, type Transaction, type Write } from '@signalbox/persistence';
import { type Call, note, type Step, unchanged } from '../call/call.ts';
import { callTable, save } from '../call/call.store.ts';
import { countSteps, queueSeconds } from '../metrics.ts';
import { attempts } from './attempt.store.ts';
import { type DispatchPolicy, openAttempt, settle } from './dispatch.rules.ts';
import type { CallProvider } from './provider.ts';
import { quotaKinds } from './quota-kinds.rules.ts';

interface CallDecision extends Decision<Call> {
  readonly step: Step;
}

/** What is dispatched here: calls that are due, the first time or again. */
export class OutgoingCalls implements Outgoing<Call, CallDecision> {
  readonly table = callTable;
  readonly kinds = quotaKinds;
  readonly idName = 'callId';
  readonly #provider: Pick<CallProvider, 'place'>;
  readonly #policy: DispatchPolicy;

  constructor(provider: Pick<CallProvider, 'place'>, policy: DispatchPolicy) {
    this.#provider = provider;
    this.#policy = policy;
  }

  decide(_tx: Transaction, calls: readonly Call[], now: Date, worker: string): Promise<readonly CallDecision[]> {
    return Promise.resolve(
      calls.map((call) => {
        const { step, attempt } = openAttempt(call, now, worker, this.#policy);
        return { item: step.call, step, attempt };
      }),
    );
  }

  moveTo(call: Call, queue: string, now: Date): CallDecision {
    const step = note(unchanged(call), now.toISOString(), { queue });
    return { item: step.call, step, attempt: null };
  }

  async save(tx: Transaction, decisions: readonly CallDecision[], along: readonly Write[]): Promise<void> {
    const steps = decisions.map(({ step }) => step);
    await save(tx, steps, [attempts.opened(decisions.flatMap(({ attempt }) => attempt ?? [])), ...along]);
    onCommit(tx, () => countSteps(steps));
  }

  async send(call: Call, attempt: Attempt): Promise<SendOutcome> {
    if (attempt.number === 1) {
      const waited = Date.now() - Date.parse(call.createdAt);
      queueSeconds.observe({ lane: call.lane }, Math.max(0, waited) / 1000);
    }
    return this.#provider.place(call);
  }

  async settle(tx: Transaction, answers: readonly Answered<Call>[], now: Date): Promise<readonly Settled<Call>[]> {
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
    return settled.map(({ step: { call }, attempt }) => ({ item: call, attempt, dueAgain: call.dueAt !== null }));
  }
}
