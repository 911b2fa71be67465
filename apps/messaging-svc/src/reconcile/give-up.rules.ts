import type { Failure } from '@signalbox/contracts';
import type { Attempt } from '@signalbox/outbound';
import { retryLater } from '../dispatch/dispatch.rules.ts';
import { type Message, move, remark, type Step, unchanged } from '../message/message.ts';

/** What is done about a message of which it was not found out whether the provider took it, and who said so. */
export interface Decision {
  readonly as: 'resend' | 'failed';
  /** The name of an API token, or the policy in the tenant file. */
  readonly by: string;
}

/** Closes an attempt in doubt without knowing: the message is due again, or fails. Its history tells who decided that. */
export function giveUp(
  message: Message,
  attempt: Attempt,
  { as, by }: Decision,
  now: Date,
): { step: Step; attempt: Attempt } {
  const at = now.toISOString();
  const step =
    as === 'resend'
      ? retryLater(message, now, attempt.error ?? neverFoundOut, now, { giveUpAfterMs: Infinity })
      : move(unchanged(message), 'failed', at, { error: neverFoundOut });
  const detail = { attempt: attempt.number, as, by };
  return {
    step: remark(step, { at, kind: 'settled', detail }),
    attempt: { ...attempt, state: 'given_up', finishedAt: at, error: attempt.error ?? neverFoundOut },
  };
}

const neverFoundOut: Failure = {
  code: 'in_doubt',
  class: 'unknown',
  title: 'It was never found out whether the provider took the message',
  remedy: "Look for the recipient in the provider's own log before it is sent again under a new key",
};
