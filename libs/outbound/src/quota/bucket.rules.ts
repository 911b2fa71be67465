import type { QuotaLimits } from '@signalbox/tenants';
import { dayOf, nextDay } from './day.rules.ts';

/**
 * A token bucket as slots in time (the generic cell rate algorithm): the bucket knows when its next slot is, a send takes
 * it and moves it on by one interval. A slot may lie in the past by as much as the capacity allows, which is the burst, or
 * a little in the future: then the send waits for it. So a batch claimed at once is still spread as the rate wants it.
 */
export interface Budget {
  /** Between two slots; 0 when there is no rate. */
  readonly intervalMs: number;
  /** Sends that may go at once after a pause. */
  readonly capacity: number;
  /** Slots of the capacity that only the critical lane may use, so that other traffic never finds it empty. */
  readonly reserve: number;
  /** How far ahead a slot may be taken. */
  readonly horizonMs: number;
  readonly dailyCap: number;
  readonly dailyReserve: number;
  readonly timeZone: string;
}

export interface Bucket {
  /** The next slot, epoch milliseconds; 0 when the bucket is new, which is to say full. */
  readonly nextMs: number;
  /** The day that `used` counts, in the time zone of the cap. */
  readonly day: string;
  readonly used: number;
}

export const newBucket: Bucket = { nextMs: 0, day: '', used: 0 };

export type Slot =
  | { readonly ok: true; readonly startMs: number; readonly bucket: Bucket }
  /** `untilMs`: when it is worth asking again. */
  | { readonly ok: false; readonly why: 'rate' | 'cap'; readonly untilMs: number };

/** By how much a call may arrive at the provider later than its neighbours: queues, connections, a busy process. */
export const toleranceMs = 100;

export function defaultBurst(rate: number): number {
  return Math.max(1, Math.ceil(rate / 5));
}

/**
 * The limits in the form the arithmetic wants. The promise, no more than `rate + burst` in any second, is for the calls as
 * they arrive at the provider; so the tolerance is taken from the burst, and where the burst is too small, from the rate.
 */
export function budgetOf(limits: QuotaLimits): Budget {
  const daily = {
    dailyCap: limits.dailyCap ?? Infinity,
    dailyReserve: limits.dailyReserve ?? 0,
    timeZone: limits.timeZone ?? 'UTC',
  };
  const { rate } = limits;
  if (rate === null || rate === undefined) {
    return { intervalMs: 0, capacity: Infinity, reserve: 0, horizonMs: 0, ...daily };
  }
  const burst = limits.burst ?? defaultBurst(rate);
  const tolerance = toleranceMs / 1000;
  const capacity = Math.max(1, Math.floor(burst - rate * tolerance));
  // In a second and the tolerance there are floor(rate · (1 + tolerance)) + capacity slots at most.
  const steady = Math.min(rate, (Math.floor(rate + burst) - capacity + 1 - 1e-6) / (1 + tolerance));
  const intervalMs = 1000 / steady;
  const reserve = Math.floor(capacity / 2);
  return { intervalMs, capacity, reserve, horizonMs: Math.min(50, Math.max(25, reserve * intervalMs)), ...daily };
}

/** Takes the next slot for one send, if it is not too far ahead and the day's cap is not reached. */
export function takeSlot(budget: Budget, bucket: Bucket, urgent: boolean, nowMs: number): Slot {
  let { day, used } = bucket;
  if (budget.dailyCap < Infinity) {
    const today = dayOf(nowMs, budget.timeZone);
    if (day !== today) [day, used] = [today, 0];
    if (used >= budget.dailyCap - (urgent ? 0 : budget.dailyReserve)) {
      return { ok: false, why: 'cap', untilMs: nextDay(nowMs, budget.timeZone) };
    }
    used++;
  }
  if (budget.intervalMs === 0) return { ok: true, startMs: nowMs, bucket: { ...bucket, day, used } };

  const slot = Math.max(bucket.nextMs, nowMs - (budget.capacity - 1) * budget.intervalMs);
  const startMs = Math.max(nowMs, slot + (urgent ? 0 : budget.reserve * budget.intervalMs));
  // Halfway into the horizon, so that the next look finds several slots at once.
  if (startMs > nowMs + budget.horizonMs) return { ok: false, why: 'rate', untilMs: startMs - budget.horizonMs / 2 };
  return { ok: true, startMs, bucket: { nextMs: slot + budget.intervalMs, day, used } };
}

/** Gives back what a send took of the day's cap: the provider turned it away. Its slot is gone. */
export function giveBack(bucket: Bucket, day: string): Bucket {
  return bucket.day === day && bucket.used > 0 ? { ...bucket, used: bucket.used - 1 } : bucket;
}

/** How much of the day's cap is used. */
export function usedToday(budget: Budget, bucket: Bucket, nowMs: number): number {
  return bucket.day === dayOf(nowMs, budget.timeZone) ? bucket.used : 0;
}
