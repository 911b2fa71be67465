import type { Failure } from '@signalbox/contracts';
import { move, type Step, unchanged, type Verification } from '../verification/verification.ts';
import type { Budget } from '../limits/budget.rules.ts';
import type { Limit, LimitScope } from '../limits/window.rules.ts';

export type StartDecision =
  | { readonly result: 'repeat' | 'conflict'; readonly verification: Verification }
  | { readonly result: 'limited'; readonly scope: LimitScope | 'checks'; readonly retryAfterMs: number }
  | {
      readonly result: 'open';
      readonly verification: Verification;
      /** Of the same recipient, whose code is the new one's as well: they end with it. */
      readonly superseded: readonly Step[];
      readonly nextSendAt: number;
    };

/**
 * Decides on a new verification.
 * @param related what its key has made, and what the same recipient has open or was denied; locked
 */
export function decideStart(
  draft: Verification,
  related: readonly Verification[],
  limits: readonly Limit[],
  budget: Budget,
): StartDecision {
  const sameKey = related.find(
    ({ tenant, idempotencyKey }) => tenant === draft.tenant && idempotencyKey === draft.idempotencyKey,
  );
  if (sameKey) {
    const isSame = sameKey.requestDigest === draft.requestDigest;
    return { result: isSame ? 'repeat' : 'conflict', verification: sameKey };
  }
  const denied = deniedFor(draft, related, budget.now);
  if (denied > 0) return { result: 'limited', scope: 'checks', retryAfterMs: denied };
  const taken = budget.take(limits, draft.serviceSid === null ? 'provider' : 'user');
  if (!taken.ok) return { result: 'limited', scope: taken.scope, retryAfterMs: taken.retryAfterMs };
  const { verification, superseded: ended } = supersede(draft, related, budget.now);
  return {
    result: 'open',
    verification: { ...verification, sends: 1 },
    superseded: ended,
    nextSendAt: taken.nextSendAt,
  };
}

/** Milliseconds for which Twilio lets no code of this recipient be checked; it has one verification for each. 0 for none. */
export function deniedFor(draft: Verification, related: readonly Verification[], now: number): number {
  const denied = alike(draft, related, now).find(
    ({ state, checks, maxChecks }) => state === 'denied' || checks >= maxChecks,
  );
  return denied ? remains(denied.expiresAt, now) : 0;
}

/** Ends what the same recipient has open: its code is the new one's as well, and so are the checks that were made. */
export function supersede(
  draft: Verification,
  related: readonly Verification[],
  now: number,
): { verification: Verification; superseded: Step[] } {
  const at = new Date(now).toISOString();
  const ended = alike(draft, related, now)
    .map((one) => move(unchanged(one), 'canceled', at, { error: supersededBy }))
    .filter(({ changes }) => changes.length > 0);
  const checks = Math.max(draft.checks, ...ended.map(({ verification }) => verification.checks));
  // Of theirs that are still under way nobody waits for the answer here: they count as wrong.
  return { verification: { ...draft, checks, wrong: checks }, superseded: ended };
}

function alike(draft: Verification, related: readonly Verification[], now: number): Verification[] {
  if (draft.serviceSid === null) return [];
  return related.filter(
    ({ id, recipientHash, serviceSid, expiresAt }) =>
      id !== draft.id &&
      recipientHash === draft.recipientHash &&
      serviceSid === draft.serviceSid &&
      remains(expiresAt, now) > 0,
  );
}

/** Milliseconds until then. */
function remains(at: string | null, now: number): number {
  return at === null ? 0 : Date.parse(at) - now;
}

/** The code of what a later verification of the same recipient has ended. */
export const superseded = 'superseded';

const supersededBy: Failure = {
  code: superseded,
  class: 'terminal',
  title: 'A later verification of the same recipient has taken its place',
  remedy: 'Nothing to do: check the code with the later one',
};
