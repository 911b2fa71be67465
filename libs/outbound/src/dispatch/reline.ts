import type { Transaction } from '@signalbox/persistence';
import { type Quotas, queueOfWays } from '../quota/quota.rules.ts';
import type { WaitingLine } from './allot.rules.ts';
import type { Item } from './item.ts';
import { lockDue } from './line.store.ts';
import type { Decision, Outgoing } from './outgoing.ts';

/**
 * Sends items of a line that is held to the one they belong in by now: no claim touches them, and what has changed since they came
 * may let them go, as another way does. The first of the line tells whether to look at the others. Returns how many were sent there.
 */
export async function reline<I extends Item, D extends Decision<I>>(
  tx: Transaction,
  outgoing: Outgoing<I, D>,
  line: WaitingLine,
  quotas: Quotas,
  now: Date,
  limit: number,
): Promise<number> {
  const queueNow = (item: I) => queueOfWays(outgoing.kinds, quotas, outgoing.ways?.(item, quotas) ?? [item]);
  const first = await lockDue(tx, outgoing.table, [{ line, count: 1 }], now);
  if (first.every((item) => queueNow(item) === item.queue)) return 0;
  const items = await lockDue(tx, outgoing.table, [{ line, count: limit }], now);
  const misplaced = items.filter((item) => queueNow(item) !== item.queue);
  await outgoing.save(
    tx,
    misplaced.map((item) => outgoing.moveTo(item, queueNow(item), now)),
    [],
  );
  return misplaced.length;
}
