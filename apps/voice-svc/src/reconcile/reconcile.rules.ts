import { isDeepStrictEqual } from 'node:util';
import type { Attempt } from '@signalbox/outbound';
import type { InDoubtPolicy } from '@signalbox/tenants';
import { Duration } from 'luxon';
import type { Call } from '../call/call.ts';
import type { ListedCall } from '../dispatch/provider.ts';

/** Another call to the same recipient of which it is not known either whether the provider took it. */
export interface Rival {
  readonly call: Call;
  readonly attempt: Attempt;
}

/** Twilio's list has whole seconds, and clocks differ a little. */
const clockToleranceMs = 5_000;

export type Verdict =
  | { readonly kind: 'taken'; readonly listed: ListedCall }
  | { readonly kind: 'not_taken' }
  /** What the list has may be this call or a rival, which would say something else. */
  | { readonly kind: 'ambiguous' };

/**
 * Looks for the call of an attempt in doubt among what the provider has for its recipient. Twilio has no idempotency key, and
 * its list tells neither what a call says nor where its callbacks go; so a match is: same two ends, made over the API since
 * the attempt began, and claimed by no other attempt of ours. The oldest such match wins. Where a rival that would say
 * something else matches as well, nobody can tell.
 */
export function judge(
  call: Call,
  attempt: Attempt,
  listed: readonly ListedCall[],
  claimed: ReadonlySet<string>,
  rivals: readonly Rival[],
): Verdict {
  const matches = listed
    .filter((candidate) => !claimed.has(candidate.sid) && fits({ call, attempt }, candidate))
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  // Which of two equal calls gets which match makes no difference to the recipient.
  const others = rivals.filter((rival) => !isDeepStrictEqual(wordsOf(rival.call), wordsOf(call)));
  const ours = matches.find((candidate) => !others.some((rival) => fits(rival, candidate)));
  if (ours) return { kind: 'taken', listed: ours };
  return { kind: matches.length > 0 ? 'ambiguous' : 'not_taken' };
}

/** How far back the list has to be read for an attempt. */
export function searchSince(attempt: Pick<Attempt, 'startedAt'>): Date {
  return new Date(Date.parse(attempt.startedAt) - clockToleranceMs);
}

/** Whether the tenant wants a call placed again that could not be settled since then. */
export function isRepeatDue(policy: InDoubtPolicy | undefined, since: Date, now: Date): boolean {
  if (policy?.policy !== 'resend') return false;
  return now.getTime() - since.getTime() >= Duration.fromISO(policy.after).toMillis();
}

function fits({ call, attempt }: Rival, candidate: ListedCall): boolean {
  return candidate.to === call.to && candidate.from === call.from && candidate.createdAt >= searchSince(attempt);
}

function wordsOf({ request: { flow, say, machineDetection } }: Call) {
  return { flow: flow ?? null, say: say ?? null, machineDetection };
}
