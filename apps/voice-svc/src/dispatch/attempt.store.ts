import { type Attempt, AttemptStore } from '@signalbox/outbound';
import { run, type Transaction, type Write } from '@signalbox/persistence';
import type { Step } from '../call/call.ts';
import { callTable } from '../call/call.store.ts';

export const attempts = new AttemptStore('call_id', callTable);

/** Which of the provider's calls belong to an attempt of the tenant already. */
export async function claimedSids(tx: Transaction, tenant: string, sids: readonly string[]): Promise<Set<string>> {
  if (sids.length === 0) return new Set();
  const { rows } = await run<{ sid: string }>(
    tx,
    'select provider_sid as sid from attempts where tenant = $1 and provider_sid = any($2)',
    [tenant, sids],
  );
  return new Set(rows.map(({ sid }) => sid));
}

/**
 * The attempts that reports have settled by naming the provider's call, before any answer did: written along with the
 * steps, so that every SID of ours is found among the attempts, of earlier rounds too.
 */
export async function settledByReports(tx: Transaction, steps: readonly Step[], now: Date): Promise<Write> {
  const named = new Map(steps.flatMap((step) => sidNamedBy(step).map((sid) => [step.call.id, sid] as const)));
  if (named.size === 0) return undefined;
  const open = await attempts.openOf(tx, [...named.keys()]);
  const finishedAt = now.toISOString();
  return attempts.settled(
    open.map((attempt): Attempt => {
      const providerSid = named.get(attempt.itemId) ?? null;
      return { ...attempt, state: 'accepted', finishedAt, providerSid };
    }),
  );
}

function sidNamedBy({ before, call }: Step): string[] {
  if (before === null || before.providerSid !== null) return [];
  if (call.providerSid !== null) return [call.providerSid];
  return call.earlierSids.slice(before.earlierSids.length);
}
