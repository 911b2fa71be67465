import type { CallState } from '@signalbox/contracts';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { lock, save } from '../call/call.store.ts';
import { attempts } from '../dispatch/attempt.store.ts';
import { countSteps, reconciled } from '../metrics.ts';
import { type Decision, giveUp } from './give-up.rules.ts';

export type SettleResult =
  | { readonly kind: 'settled'; readonly state: CallState }
  /** It was settled before, or its call is under way. */
  | { readonly kind: 'not_in_doubt'; readonly state: CallState }
  | { readonly kind: 'unknown' };

/** Settles a call in doubt as an operator says, who has looked where we cannot. */
export async function settleInDoubt(
  tx: Transaction,
  { tenant, callId, ...decision }: Decision & { readonly tenant: string; readonly callId: string },
  now: Date,
): Promise<SettleResult> {
  const call = (await lock(tx, [callId])).get(callId);
  // Another tenant's call is as good as none.
  if (!call || call.tenant !== tenant) return { kind: 'unknown' };
  const open = (await attempts.openOf(tx, [callId])).at(-1);
  if (call.state !== 'submitting' || call.providerSid !== null || open?.state !== 'in_doubt') {
    return { kind: 'not_in_doubt', state: call.state };
  }
  const { step, attempt } = giveUp(call, open, decision, now);
  await save(tx, [step], [attempts.settled([attempt])]);
  onCommit(tx, () => {
    reconciled.inc({ verdict: `${decision.as}_by_operator` });
    countSteps([step]);
  });
  return { kind: 'settled', state: step.call.state };
}
