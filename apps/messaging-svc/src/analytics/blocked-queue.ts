import { isAlone } from '@signalbox/domain-service';
import type { Transaction } from '@signalbox/persistence';
import { type Message, move, note, remark, type Step, unchanged } from '../message/message.ts';
import { lockBulkInLine, save } from '../message/message.store.ts';
import { type Block, standingBlocks } from './block.store.ts';
import { blockedPrefix } from './pumping.rules.ts';

/**
 * Holds bulk messages that were in line for a prefix before it was blocked, or came in while that was being decided, until
 * the block ends, and lets them go when it is lifted: the signs may be those of an honest campaign, which a person decides.
 * Dispatch need not know of blocks for it, and without one this costs a look at a small table.
 * @returns the steps, no more than `limit` per block; none while another replica is at it
 */
export async function followBlocks(tx: Transaction, now: Date, limit: number): Promise<Step[]> {
  if (!(await isAlone(tx, 'blocked queue'))) return [];
  const steps: Step[] = [];
  for (const block of await standingBlocks(tx, now)) {
    const { tenant, prefix, expires_at, lifted_at } = block;
    const due = lifted_at === null ? { before: expires_at } : { at: expires_at };
    const waiting = await lockBulkInLine(tx, { tenant, prefix, due }, limit);
    steps.push(
      ...waiting.map((message) =>
        lifted_at === null
          ? hold(message, block, now)
          : note(unchanged(message), now.toISOString(), { dueAt: now.toISOString() }),
      ),
    );
  }
  await save(tx, steps);
  return steps;
}

function hold(message: Message, { prefix, expires_at }: Block, now: Date): Step {
  const at = now.toISOString();
  const until = expires_at.toISOString();
  if (message.expiresAt !== null && message.expiresAt <= until) {
    return move(unchanged(message), 'rejected', at, { error: blockedPrefix });
  }
  const held = note(unchanged(message), at, { dueAt: until });
  return remark(held, { at, kind: 'held', detail: { reason: 'blocked_prefix', until, prefix } });
}
