import type { MessageState } from '@signalbox/contracts';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { attempts } from '../dispatch/attempt.store.ts';
import { lock, save } from '../message/message.store.ts';
import { countSteps, reconciled } from '../metrics.ts';
import { type Decision, giveUp } from './give-up.rules.ts';

export type SettleResult =
  | { readonly kind: 'settled'; readonly state: MessageState }
  /** It was settled before, or its call is under way. */
  | { readonly kind: 'not_in_doubt'; readonly state: MessageState }
  | { readonly kind: 'unknown' };

/** Settles a message in doubt as an operator says, who has looked where we cannot. */
export async function settleInDoubt(
  tx: Transaction,
  { tenant, messageId, ...decision }: Decision & { readonly tenant: string; readonly messageId: string },
  now: Date,
): Promise<SettleResult> {
  const message = (await lock(tx, [messageId])).get(messageId);
  // Another tenant's message is as good as none.
  if (!message || message.tenant !== tenant) return { kind: 'unknown' };
  const open = (await attempts.openOf(tx, [messageId])).at(-1);
  if (message.state !== 'submitting' || message.providerSid !== null || open?.state !== 'in_doubt') {
    return { kind: 'not_in_doubt', state: message.state };
  }
  const { step, attempt } = giveUp(message, open, decision, now);
  await save(tx, [step], [attempts.settled([attempt])]);
  onCommit(tx, () => {
    reconciled.inc({ verdict: `${decision.as}_by_operator` });
    countSteps([step]);
  });
  return { kind: 'settled', state: step.message.state };
}
