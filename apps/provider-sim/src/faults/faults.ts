import { channelOf, numberOf } from '../messages-api/address.rules.ts';
import {
  type Callee,
  type DestinationError,
  type EmailOutcome,
  type FaultPlan,
  faultPlan,
  type Operation,
  isOfVerify,
  refuses,
} from './fault-plan.ts';
import { type Random, seeded } from './random.rules.ts';

export type RequestFault = '429' | '500' | 'timeoutBefore' | 'timeoutAfter';

const requestFaults: readonly RequestFault[] = ['429', '500', 'timeoutBefore', 'timeoutAfter'];

type FaultChannel = NonNullable<DestinationError['channels']>[number];
type Refusal = { code: number; status?: number };
type DeliveryError = { code: number; status: 'undelivered' | 'failed' };

/** Time between statuses when the plan says nothing: fast, yet slow enough that a burst overlaps. */
const STEP_MS = [20, 150] as const;

const answers = {
  outcome: 'answers',
  answeredBy: 'human',
  script: [],
  ringSeconds: 2,
} as const satisfies Partial<Callee>;

/** The fault plan in force, and the dice it is played with. */
export class Faults {
  #plan: FaultPlan = faultPlan.parse({});
  #random: Random = Math.random;
  #mailAnswers: (403 | 413)[] = [];

  get plan(): FaultPlan {
    return this.#plan;
  }

  replace(plan: FaultPlan): void {
    this.#plan = plan;
    this.#mailAnswers = plan.mailAnswers.flatMap(({ status, times }) => Array<403 | 413>(times).fill(status));
    this.#random = plan.seed === undefined ? Math.random : seeded(plan.seed);
  }

  clear(): void {
    this.replace(faultPlan.parse({}));
  }

  /** At most one fault per request. */
  requestFault(operation: Operation): RequestFault | undefined {
    if (!this.#plan.operations.includes(operation)) return undefined;
    let draw = this.#random();
    for (const fault of requestFaults) {
      draw -= this.#plan.rates[fault] ?? 0;
      if (draw < 0) return fault;
    }
    return undefined;
  }

  /** How long the answer takes before and after the work is done; undefined for no delay. */
  latency(operation: Operation): { beforeMs: number; afterMs: number } | undefined {
    if (!this.#plan.latencyMs || !this.#plan.operations.includes(operation)) return undefined;
    const total = this.#within(this.#plan.latencyMs);
    const beforeMs = total * this.#random();
    return { beforeMs, afterMs: total - beforeMs };
  }

  stepDelayMs(): number {
    return Math.round(this.#within(this.#plan.callbacks.delayMs ?? STEP_MS));
  }

  happens(what: 'duplicate' | 'reorder' | 'drop' | 'withoutArgs'): boolean {
    return this.chance(this.#plan.callbacks[what]);
  }

  chance(rate: number): boolean {
    return rate > 0 && this.#random() < rate;
  }

  /** What the plan makes of an email, if it says. */
  emailOutcome(to: string): EmailOutcome | undefined {
    const rule = this.#plan.emails.find(({ recipient }) => to.includes(recipient));
    return rule && (rule.rate === 1 || this.chance(rule.rate)) ? rule.outcome : undefined;
  }

  /** The status that mail/send answers instead of its own, as often as the plan says. */
  mailAnswer(): 403 | 413 | undefined {
    return this.#mailAnswers.shift();
  }

  /** The code and status with which the create of a message is refused, if it is. */
  refusal(to: string): Refusal | undefined {
    return this.#refusal(this.#messageError(to));
  }

  /** The code and status with which the delivery of a message ends, if it fails. */
  deliveryError(to: string): DeliveryError | undefined {
    return this.#deliveryError(this.#messageError(to));
  }

  /** The same for the start of a verification on a channel. */
  verifyRefusal(to: string, channel: FaultChannel): Refusal | undefined {
    return this.#refusal(this.#verifyError(to, channel));
  }

  /** The same for a code on its way. */
  verifyDeliveryError(to: string, channel: FaultChannel): DeliveryError | undefined {
    return this.#deliveryError(this.#verifyError(to, channel));
  }

  /** How this number behaves when it is called. */
  callee(to: string): Omit<Callee, 'prefix' | 'rate'> {
    let longest: Callee | undefined;
    for (const callee of this.#plan.calls.callees) {
      if (to.startsWith(callee.prefix) && callee.prefix.length > (longest?.prefix.length ?? -1)) longest = callee;
    }
    return longest && this.chance(longest.rate) ? longest : answers;
  }

  #refusal(error: DestinationError | undefined): Refusal | undefined {
    if (!error || !refuses(error.code) || !this.chance(error.rate)) return undefined;
    return { code: error.code, ...(typeof error.status === 'number' ? { status: error.status } : {}) };
  }

  #deliveryError(error: DestinationError | undefined): DeliveryError | undefined {
    if (!error || refuses(error.code) || !this.chance(error.rate)) return undefined;
    return { code: error.code, status: error.status === 'failed' ? 'failed' : 'undelivered' };
  }

  #messageError(to: string): DestinationError | undefined {
    return this.#destinationError(to, channelOf(to), (code) => !isOfVerify(code));
  }

  /** Verify has refusals of its own instead of those of messages. */
  #verifyError(to: string, channel: FaultChannel): DestinationError | undefined {
    return this.#destinationError(to, channel, (code) => code >= 30_000);
  }

  /** The longest prefix, of the codes that count. */
  #destinationError(
    to: string,
    channel: FaultChannel,
    counts: (code: number) => boolean,
  ): DestinationError | undefined {
    let longest: DestinationError | undefined;
    for (const error of this.#plan.errors) {
      if (!counts(error.code) || error.channels?.includes(channel) === false) continue;
      const matches = to.startsWith(error.prefix) || numberOf(to).startsWith(error.prefix);
      if (matches && error.prefix.length > (longest?.prefix.length ?? -1)) longest = error;
    }
    return longest;
  }

  #within([least, most]: readonly [number, number]): number {
    return least + this.#random() * (most - least);
  }
}
