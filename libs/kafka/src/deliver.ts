import { Batch, type BatchRecord, RejectRecord } from './batch.ts';
import { reasonOf } from './dead-letter.ts';
import { backoffMs, judge, type RetryPolicy, type Verdict } from './retry.rules.ts';

/** The partition is being given up (stop, rebalance): what is not committed comes again, here or at another member. */
export class Interrupted extends Error {
  constructor() {
    super('the partition is being given up');
    this.name = 'Interrupted';
  }
}

export interface Delivery {
  readonly policy: RetryPolicy;
  /** Runs the handler in one transaction. */
  readonly apply: (batch: Batch) => Promise<void>;
  readonly isTransient: (error: unknown) => boolean;
  /** Rejects with `Interrupted`, at once or during the wait, when the partition is being given up. */
  readonly wait: (ms: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onFailure: (failure: FailedAttempt) => void;
}

export interface FailedAttempt {
  readonly error: unknown;
  readonly verdict: Verdict;
  readonly records: number;
  readonly attempt: number;
  /** Until the next attempt, in milliseconds. */
  readonly waitMs: number;
}

export interface DeadRecord {
  readonly record: BatchRecord;
  readonly reason: string;
  /** Times the record was handed to its handler. */
  readonly attempts: number;
}

/** Records that are tried together. */
interface Run {
  readonly records: readonly BatchRecord[];
  /** Times these records were tried already, as part of a longer run. */
  readonly tried: number;
  readonly isolating: boolean;
}

/**
 * Applies the records, in order, and answers those that cannot be applied. A batch that keeps failing is halved until the
 * poison stands alone; the halves are applied one after the other, so the order within a key holds.
 */
export async function deliver(records: readonly BatchRecord[], delivery: Delivery): Promise<DeadRecord[]> {
  const dead: DeadRecord[] = [];
  const runs: Run[] = [{ records, tried: 0, isolating: false }];
  for (let run = runs.shift(); run; run = runs.shift()) {
    const { rest, given } = await applyRun(run, delivery);
    dead.push(...given);
    runs.unshift(...rest);
  }
  return dead;
}

/** Tries until the run is applied, or handed back in halves, or has nothing left. */
async function applyRun(run: Run, delivery: Delivery): Promise<{ rest: Run[]; given: DeadRecord[] }> {
  let { records } = run;
  const given: DeadRecord[] = [];
  let faults = 0;
  let failures = 0;
  for (let attempt = run.tried + 1; records.length > 0; attempt++) {
    try {
      await delivery.wait(0);
      await delivery.apply(new Batch(records.map((record) => ({ ...record, attempt }))));
      return { rest: [], given };
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      const rejected = error instanceof RejectRecord ? records.filter((record) => isAmong(error.records, record)) : [];
      const isRejection = rejected.length > 0;
      const transient = !isRejection && delivery.isTransient(error);
      if (!isRejection) failures++;
      if (!isRejection && !transient) faults++;
      const verdict = judge(delivery.policy, {
        rejected: isRejection,
        transient,
        faults,
        isolating: run.isolating,
      });
      const waitMs = verdict === 'retry' ? backoffMs(delivery.policy, failures, delivery.random()) : 0;
      delivery.onFailure({ error, verdict, records: records.length, attempt, waitMs });
      switch (verdict) {
        case 'reject':
          for (const record of rejected) {
            given.push({ record, reason: (error as RejectRecord).reason, attempts: attempt });
          }
          records = records.filter((record) => !rejected.includes(record));
          break;
        case 'retry':
          await delivery.wait(waitMs);
          break;
        case 'isolate': {
          const [only] = records;
          if (records.length === 1 && only) {
            return { rest: [], given: [...given, { record: only, reason: reasonOf(error), attempts: attempt }] };
          }
          const half = records.length >> 1;
          const cut = (from: number, to?: number): Run => ({
            records: records.slice(from, to),
            tried: attempt,
            isolating: true,
          });
          return { rest: [cut(0, half), cut(half)], given };
        }
      }
    }
  }
  return { rest: [], given };
}

function isAmong(places: RejectRecord['records'], { partition, offset }: BatchRecord): boolean {
  return places.some((place) => place.partition === partition && place.offset === offset);
}
