import type { CancelCommand, MessageState } from '@signalbox/contracts';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { type Message, move, naturalKey, type Step, unchanged } from '../message/message.ts';
import { findByKey, lock, save } from '../message/message.store.ts';
import { countSteps } from '../metrics.ts';

export type CancelResult =
  /** Canceled now, or it was before. */
  | { readonly kind: 'canceled'; readonly messageId: string }
  /** It is with the provider, or ended otherwise. */
  | { readonly kind: 'too_late'; readonly messageId: string; readonly state: MessageState }
  | { readonly kind: 'unknown' };

/** Cancels messages that wait for their first attempt or between two; answers each command in order. */
export async function cancelAll(
  tx: Transaction,
  commands: readonly CancelCommand[],
  now: Date,
): Promise<CancelResult[]> {
  const ids = await idsOf(tx, commands);
  const messages = await lock(
    tx,
    ids.flatMap((id) => id ?? []),
  );
  const steps = new Map<string, Step>();
  const results = commands.map((command, index): CancelResult => {
    const message = messages.get(ids[index] ?? '');
    // Another tenant's message is as good as none.
    if (!message || message.tenant !== command.tenant) return { kind: 'unknown' };
    if (message.state !== 'canceled' && !isCancelable(message)) {
      return { kind: 'too_late', messageId: message.id, state: message.state };
    }
    steps.set(message.id, move(unchanged(message), 'canceled', now.toISOString()));
    return { kind: 'canceled', messageId: message.id };
  });
  await save(tx, [...steps.values()]);
  onCommit(tx, () => countSteps([...steps.values()]));
  return results;
}

function isCancelable(message: Message): boolean {
  // Between attempts a message is ours again, provided the last one surely did not reach the provider: that is when it is due.
  return message.dueAt !== null;
}

/** The message each command means; undefined where its key is not known. */
async function idsOf(tx: Transaction, commands: readonly CancelCommand[]): Promise<(string | undefined)[]> {
  const keys = commands.flatMap(({ tenant, idempotencyKey }) => (idempotencyKey ? { tenant, idempotencyKey } : []));
  const known = await findByKey(tx, keys);
  return commands.map(({ tenant, messageId, idempotencyKey }) => {
    return messageId ?? known.get(naturalKey({ tenant, idempotencyKey: idempotencyKey ?? '' }))?.id;
  });
}
