import { numberOf } from '../messages-api/address.rules.ts';
import { type DestinationError, type FaultPlan, faultPlan, type Operation } from './fault-plan.ts';
import { type Random, seeded } from './random.rules.ts';

export type RequestFault = '429' | '500' | 'timeoutBefore' | 'timeoutAfter';

const requestFaults: readonly RequestFault[] = ['429', '500', 'timeoutBefore', 'timeoutAfter'];

/** Time between statuses when the plan says nothing: fast, yet slow enough that a burst overlaps. */
const STEP_MS = [20, 150] as const;

/** The fault plan in force, and the dice it is played with. */
export class Faults {
  #plan: FaultPlan = faultPlan.parse({});
  #random: Random = Math.random;

  get plan(): FaultPlan {
    return this.#plan;
  }

  replace(plan: FaultPlan): void {
    this.#plan = plan;
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

  happens(what: 'duplicate' | 'reorder' | 'drop'): boolean {
    return this.chance(this.#plan.callbacks[what]);
  }

  chance(rate: number): boolean {
    return rate > 0 && this.#random() < rate;
  }

  /** The code and status with which the create is refused, if it is. */
  refusal(to: string): { code: number; status?: number } | undefined {
    const error = this.#destinationError(to);
    if (!error || error.code >= 30000 || !this.chance(error.rate)) return undefined;
    return { code: error.code, ...(typeof error.status === 'number' ? { status: error.status } : {}) };
  }

  /** The code and status with which the delivery ends, if it fails. */
  deliveryError(to: string): { code: number; status: 'undelivered' | 'failed' } | undefined {
    const error = this.#destinationError(to);
    if (!error || error.code < 30000 || !this.chance(error.rate)) return undefined;
    return { code: error.code, status: error.status === 'failed' ? 'failed' : 'undelivered' };
  }

  #destinationError(to: string): DestinationError | undefined {
    let longest: DestinationError | undefined;
    for (const error of this.#plan.errors) {
      const matches = to.startsWith(error.prefix) || numberOf(to).startsWith(error.prefix);
      if (matches && error.prefix.length > (longest?.prefix.length ?? -1)) longest = error;
    }
    return longest;
  }

  #within([least, most]: readonly [number, number]): number {
    return least + this.#random() * (most - least);
  }
}
