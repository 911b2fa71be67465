import type { Failure } from '@signalbox/contracts';
import { canSendLater } from '../send/settle.rules.ts';
import { isFinal } from '../verification/verification.state.ts';
import { move, type Step, unchanged, type Verification, type Why } from '../verification/verification.ts';

/** What the background has to do about a verification whose time has come. */
export type DueTask =
  | { readonly task: 'tell' }
  | { readonly task: 'end'; readonly step: Step }
  | { readonly task: 'send'; readonly why: Why }
  /** Nothing was heard of the channel in use; whether it was delivered is to be asked. */
  | { readonly task: 'ask' }
  | { readonly task: 'wait'; readonly dueAt: string | null };

export function taskOf(verification: Verification, now: Date): DueTask {
  const { state, toTell, expiresAt, wants, dueAt, plan, position } = verification;
  if (dueAt !== null && Date.parse(dueAt) > now.getTime()) return { task: 'wait', dueAt };
  if (isFinal(state))
    return toTell === null || isForgotten(expiresAt, now) ? { task: 'wait', dueAt: null } : { task: 'tell' };
  if (expiresAt !== null && Date.parse(expiresAt) <= now.getTime())
    return { task: 'end', step: end(verification, now) };
  if (wants !== null) return { task: 'send', why: wants };
  const hasNext = position + 1 < plan.length;
  return state === 'pending' && hasNext ? { task: 'ask' } : { task: 'wait', dueAt: expiresAt };
}

/** How long after the end of its time Twilio may still have a verification, clocks being what they are. */
const forgottenMs = 10 * 60_000;

/** Whether there is nothing left to tell Twilio about: where it refuses to be told, that would be tried for ever. */
function isForgotten(expiresAt: string | null, now: Date): boolean {
  return expiresAt !== null && Date.parse(expiresAt) + forgottenMs <= now.getTime();
}

/** What was never sent has failed, everything else is over. */
function end(verification: Verification, now: Date): Step {
  const { state, attempts } = verification;
  const at = now.toISOString();
  return state === 'accepted' && attempts === 0
    ? move(unchanged(verification), 'failed', at, { error: verification.error ?? tooLate })
    : move(unchanged(verification), 'expired', at);
}

/** On to the next channel; null when there is none, or nobody has the code for it. */
export function nextChannel(verification: Verification): Verification | null {
  const { plan, position } = verification;
  return position + 1 < plan.length && canSendLater(verification) ? { ...verification, position: position + 1 } : null;
}

const tooLate: Failure = {
  code: 'not_sent_in_time',
  class: 'retryable',
  title: 'The code could not be sent while it would have been of use',
  remedy: 'Start again; see the attempts for what was in the way',
};
