import type { Attempt, SendOutcome } from '../send/attempt.ts';

/** What Twilio has pending for the recipient of an attempt in doubt. */
export interface FoundVerification {
  readonly sid: string;
  readonly createdAt: string | null;
  readonly attempts: readonly { readonly sid: string; readonly channel: string; readonly at: Date | null }[];
}

/** Twilio's clock and ours may differ by so much, and its times are of whole seconds. */
const toleranceMs = 5_000;

/**
 * What became of an attempt whose answer is missing. It was taken when Twilio lists a send on its channel, not before its time, that
 * is no other attempt's.
 * @param claimed attempts of Twilio's that are known to be others
 */
export function judgeDoubt(
  attempt: Attempt,
  found: FoundVerification | null,
  claimed: ReadonlySet<string>,
): SendOutcome {
  const since = Date.parse(attempt.startedAt) - toleranceMs;
  const match = found?.attempts.find(
    ({ sid, channel, at }) =>
      !claimed.has(sid) && channel === attempt.channel && (at === null || at.getTime() >= since),
  );
  if (!found || !match) return { kind: 'not_taken' };
  return { kind: 'accepted', sid: found.sid, attemptSid: match.sid, createdAt: found.createdAt, httpStatus: 200 };
}
