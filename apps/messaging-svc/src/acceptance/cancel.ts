import type { CancelCommand, MessageState } from '@signalbox/contracts';
import { run, type Transaction } from '@signalbox/persistence';
import { type Message, move, unchanged } from '../message/message.ts';
import { lock, save } from '../message/message.store.ts';
import { countSteps } from '../metrics.ts';

export type CancelResult =
  /** Canceled now, or it was before. */
  | { readonly kind: 'canceled'; readonly messageId: string }
  /** It is with the provider, or ended otherwise. */
  | { readonly kind: 'too_late'; readonly messageId: string; readonly state: MessageState }
  | { readonly kind: 'unknown' };

/** Cancels a message that no attempt has been made for yet. */
export async function cancel(tx: Transaction, command: CancelCommand, now: Date): Promise<CancelResult> {
  const id = command.messageId ?? (await idOf(tx, command));
  const message = id === undefined ? undefined : (await lock(tx, [id])).get(id);
  // Another tenant's message is as good as none.
  if (!message || message.tenant !== command.tenant) return { kind: 'unknown' };
  if (message.state === 'canceled') return { kind: 'canceled', messageId: message.id };
  if (!isCancelable(message)) return { kind: 'too_late', messageId: message.id, state: message.state };
  const step = move(unchanged(message), 'canceled', now.toISOString());
  await save(tx, [step]);
  countSteps([step]);
  return { kind: 'canceled', messageId: message.id };
}

function isCancelable(message: Message): boolean {
  // Between attempts a message is ours again, provided the last one surely did not reach the provider: that is when it is due.
  return message.dueAt !== null;
}

async function idOf(tx: Transaction, command: CancelCommand): Promise<string | undefined> {
  const { rows } = await run<{ id: string }>(tx, 'select id from messages where tenant = $1 and idempotency_key = $2', [
    command.tenant,
    command.idempotencyKey,
  ]);
  return rows[0]?.id;
}
