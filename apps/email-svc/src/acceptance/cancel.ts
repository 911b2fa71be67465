import type { CancelEmailCommand, EmailState } from '@signalbox/contracts';
import { onCommit, type Transaction } from '@signalbox/persistence';
import { move, naturalKey, type Step, unchanged } from '../email/email.ts';
import { findByKey, lock, save } from '../email/email.store.ts';
import { countSteps } from '../metrics.ts';

export type CancelResult =
  /** Canceled now, or it was before. */
  | { readonly kind: 'canceled'; readonly emailId: string }
  /** It is with the provider, or ended otherwise. */
  | { readonly kind: 'too_late'; readonly emailId: string; readonly state: EmailState }
  | { readonly kind: 'unknown' };

/** Cancels emails that wait for their first attempt or between two; answers each command in order. */
export async function cancelAll(
  tx: Transaction,
  commands: readonly CancelEmailCommand[],
  now: Date,
): Promise<CancelResult[]> {
  const ids = await idsOf(tx, commands);
  const emails = await lock(
    tx,
    ids.flatMap((id) => id ?? []),
  );
  const steps = new Map<string, Step>();
  const results = commands.map((command, index): CancelResult => {
    const email = emails.get(ids[index] ?? '');
    // Another tenant's email is as good as none.
    if (!email || email.tenant !== command.tenant) return { kind: 'unknown' };
    // Between attempts an email is ours again, provided the last one surely did not reach the provider: that is when it is due.
    if (email.state !== 'canceled' && email.dueAt === null) {
      return { kind: 'too_late', emailId: email.id, state: email.state };
    }
    steps.set(email.id, move(unchanged(email), 'canceled', now.toISOString()));
    return { kind: 'canceled', emailId: email.id };
  });
  await save(tx, [...steps.values()]);
  onCommit(tx, () => countSteps([...steps.values()]));
  return results;
}

/** The email each command means; undefined where its key is not known. */
async function idsOf(tx: Transaction, commands: readonly CancelEmailCommand[]): Promise<(string | undefined)[]> {
  const keys = commands.flatMap(({ tenant, idempotencyKey }) => (idempotencyKey ? { tenant, idempotencyKey } : []));
  const known = await findByKey(tx, keys);
  return commands.map(({ tenant, emailId, idempotencyKey }) => {
    return emailId ?? known.get(naturalKey({ tenant, idempotencyKey: idempotencyKey ?? '' }))?.id;
  });
}
