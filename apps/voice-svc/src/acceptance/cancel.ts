import type { CallState, CancelCallCommand } from '@signalbox/contracts';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { type Call, move, naturalKey, note, remark, type Step, unchanged } from '../call/call.ts';
import { findByKey, lock, save } from '../call/call.store.ts';
import { isFinal } from '../call/call.state.ts';
import { countSteps } from '../metrics.ts';

export type CancelResult =
  /** Canceled now, or it was before; or it is with the provider and will be hung up. */
  | { readonly kind: 'canceled' | 'ending'; readonly callId: string; readonly state: CallState }
  | { readonly kind: 'too_late'; readonly callId: string; readonly state: CallState }
  | { readonly kind: 'unknown' };

/** Cancels calls that wait, and has those that are with the provider hung up; answers each command in order. */
export async function cancelAll(
  tx: Transaction,
  commands: readonly CancelCallCommand[],
  now: Date,
): Promise<CancelResult[]> {
  const ids = await idsOf(tx, commands);
  const calls = await lock(
    tx,
    ids.flatMap((id) => id ?? []),
  );
  const steps = new Map<string, Step>();
  const results = commands.map((command, index): CancelResult => {
    const call = calls.get(ids[index] ?? '');
    // Another tenant's call is as good as none.
    if (!call || call.tenant !== command.tenant) return { kind: 'unknown' };
    const step = cancel(call, now);
    steps.set(call.id, step);
    const { state } = step.call;
    if (state === 'canceled') return { kind: 'canceled', callId: call.id, state };
    return { kind: isFinal(state) ? 'too_late' : 'ending', callId: call.id, state };
  });
  await save(tx, [...steps.values()]);
  onCommit(tx, () => countSteps([...steps.values()]));
  return results;
}

/** What waits for its turn is ours alone; what may be with the provider is hung up there by whoever looks after silent calls. */
export function cancel(call: Call, now: Date): Step {
  const at = now.toISOString();
  const step = unchanged(call);
  if (isFinal(call.state) || call.cancelRequested) return step;
  if (call.dueAt !== null) return move(step, 'canceled', at, { cancelRequested: true });
  const wanted = note(step, at, { cancelRequested: true, checkAt: at });
  return remark(wanted, { at, kind: 'cancel', detail: { state: call.state } });
}

/** The call each command means; undefined where its key is not known. */
async function idsOf(tx: Transaction, commands: readonly CancelCallCommand[]): Promise<(string | undefined)[]> {
  const keys = commands.flatMap(({ tenant, idempotencyKey }) => (idempotencyKey ? { tenant, idempotencyKey } : []));
  const known = await findByKey(tx, keys);
  return commands.map(({ tenant, callId, idempotencyKey }) => {
    return callId ?? known.get(naturalKey({ tenant, idempotencyKey: idempotencyKey ?? '' }))?.id;
  });
}
