import type { Transaction, Write } from '@signalbox/persistence';
import type { Attempt } from '../attempt/attempt.ts';
import type { Quota, QuotaKind, Quotas } from '../quota/quota.rules.ts';
import type { Throttled } from './allot.rules.ts';
import type { Item, ItemTable } from './item.ts';
import type { SendOutcome } from './outcome.ts';

/** An attempt that is to be made. */
export interface Call<I extends Item> {
  readonly item: I;
  readonly attempt: Attempt;
  /** When the slots of its quotas begin, on the clock of `performance.now()`. */
  readonly startAt: number;
}

export interface Answered<I extends Item> {
  readonly item: I;
  readonly attempt: Attempt;
  readonly outcome: SendOutcome;
}

/** What a claim makes of an item that is due. */
export interface Decision<I extends Item> {
  /** As it is from now on; the same object when it is not to be saved. */
  readonly item: I;
  /** Null when it is not to be called now: it has ended, or was put off. */
  readonly attempt: Attempt | null;
}

/** What an answer has made of an item. */
export interface Settled<I extends Item> {
  readonly item: I;
  readonly attempt: Attempt;
  /** Whether it is, or will be, due again. */
  readonly dueAgain: boolean;
}

/** What a service's dispatch is: its tables, its decisions and its call. All the rest is the `Dispatcher`'s. */
export interface Outgoing<I extends Item, D extends Decision<I> = Decision<I>> {
  readonly table: ItemTable<never, I>;
  readonly kinds: readonly QuotaKind<I>[];
  /** What an item's id is called in logs: `messageId`. */
  readonly idName: string;

  /** Decides about locked items that are due, for each in its order. An attempt is opened with `newAttempt`. */
  decide(tx: Transaction, items: readonly I[], now: Date, worker: string): Promise<readonly D[]>;
  /**
   * The ways an item may go, the best first: the item as it would be on each, at least one. It takes the next one where a daily cap
   * of those before is reached. Left out: there is one, the item as it is.
   */
  ways?(item: I, quotas: Quotas): readonly I[];
  /** What was decided of an item that has such ways, on the one it takes; `full` is what kept it from those before. */
  goBy?(decision: D, way: I, full: readonly Quota[]): D;
  /** An item that is in the wrong waiting line, due as before. */
  moveTo(item: I, queue: string, now: Date): D;
  /** Saves what was decided, opens the attempts among it, and writes what is to be written along with them. */
  save(tx: Transaction, decisions: readonly D[], along: readonly Write[]): Promise<void>;
  /** A look for items that would expire before their daily cap lets them go; left out where nothing expires. */
  overCap?(tx: Transaction, line: Throttled, now: Date): Promise<void>;

  /** Asked right before the call, which may come a while after the claim: why it is not to be made after all. */
  reconsider?(item: I, attempt: Attempt): Promise<SendOutcome | undefined>;
  /** Hands it to the provider. Never throws: whatever happens, the attempt has an outcome. */
  send(item: I, attempt: Attempt): Promise<SendOutcome>;
  /** Saves answers. What became of an attempt otherwise meanwhile is left as it is, and not among the result. */
  settle(tx: Transaction, answers: readonly Answered<I>[], now: Date): Promise<readonly Settled<I>[]>;
}
