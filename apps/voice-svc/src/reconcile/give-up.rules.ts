import type { Failure } from '@signalbox/contracts';
import type { Attempt } from '@signalbox/outbound';
import { type Call, move, remark, type Step, unchanged } from '../call/call.ts';
import { retryLater } from '../dispatch/dispatch.rules.ts';

/** What is done about a call of which it was not found out whether the provider took it, and who said so. */
export interface Decision {
  readonly as: 'repeat' | 'failed';
  /** The name of an API token, or the policy in the tenant file. */
  readonly by: string;
}

/** Closes an attempt in doubt without knowing: the call is due again, or fails. Its history tells who decided that. */
export function giveUp(
  call: Call,
  attempt: Attempt,
  { as, by }: Decision,
  now: Date,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const step =
    as === 'repeat'
      ? retryLater(call, now, attempt.error ?? neverFoundOut, now, { giveUpAfterMs: Infinity })
      : move(unchanged(call), 'failed', at, { error: neverFoundOut });
  return {
    step: remark(step, { at, kind: 'settled', detail: { attempt: attempt.number, as, by } }),
    attempt: { ...attempt, state: 'given_up', finishedAt: at, error: attempt.error ?? neverFoundOut },
  };
}

const neverFoundOut: Failure = {
  code: 'in_doubt',
  class: 'unknown',
  title: 'It was never found out whether the provider took the call',
  remedy: "Look for the recipient in the provider's own log before it is called again under a new key",
};
