import { type Attempt, type AttemptJson, AttemptStore } from '@signalbox/outbound';
import { run, type Transaction, type Write } from '@signalbox/persistence';
import type { Call, Step } from '../call/call.ts';
import { type CallRow, callTable } from '../call/call.store.ts';

export const attempts = new AttemptStore('call_id', callTable);

/** Which of the provider's calls belong to an attempt of ours already. */
export async function claimedSids(tx: Transaction, sids: readonly string[]): Promise<Set<string>> {
  if (sids.length === 0) return new Set();
  const { rows } = await run<{ sid: string }>(
    tx,
    'select provider_sid as sid from attempts where provider_sid = any($1)',
    [sids],
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

/** Whether another call to the same recipient may be under way, which could be mistaken for this attempt's. */
export async function hasLiveSibling(
  tx: Transaction,
  attempt: Attempt,
  { tenant, to }: Pick<Call, 'tenant' | 'to'>,
  now: Date,
): Promise<boolean> {
  const { rows } = await run(
    tx,
    `select 1 from attempts a join calls m on m.id = a.call_id
     where a.state = 'calling' and a.lease_until > $1 and m.tenant = $2 and m.recipient = $3 and a.call_id <> $4 limit 1`,
    [now, tenant, to, attempt.itemId],
  );
  return rows.length > 0;
}

/** Other calls to the same recipient with an open attempt, which the provider may or may not have taken. */
export async function rivalsOf(
  tx: Transaction,
  { id, tenant, to }: Pick<Call, 'id' | 'tenant' | 'to'>,
): Promise<{ call: Call; attempt: Attempt }[]> {
  const { rows } = await run<CallRow & { open: AttemptJson }>(
    tx,
    `select m.*, to_jsonb(a) as open from attempts a join calls m on m.id = a.call_id
     where a.state in ('calling', 'in_doubt') and m.tenant = $1 and m.recipient = $2 and m.id <> $3
       and m.provider_sid is null`,
    [tenant, to, id],
  );
  return rows.map((row) => {
    const { item: call, attempt } = attempts.toAttempted(row);
    return { call, attempt };
  });
}

export async function wasGivenUp(tx: Transaction, callId: string): Promise<boolean> {
  const { rows } = await run(tx, `select 1 from attempts where call_id = $1 and state = 'given_up'`, [callId]);
  return rows.length > 0;
}
