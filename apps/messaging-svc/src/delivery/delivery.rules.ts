import type { TwilioMessageStatus } from '@signalbox/contracts';
import { describeFailure } from '@signalbox/twilio';
import { type Message, type MessageHead, move, note, type Step } from '../message/message.ts';
import { canMove, isFinal, messageMachine, stateOfTwilioStatus } from '../message/message.state.ts';

/** What the provider says of a message, by callback or when asked. */
export type ProviderReport = Pick<TwilioMessageStatus, 'resourceSid' | 'status' | 'errorCode'>;

/** `applied` moved the message; `ignored` came after something further on; `unknown` is a status we have no word for. */
export type ReportOutcome = 'applied' | 'ignored' | 'unknown';

const hour = 3_600_000;

/** Applies a report: forward only, so shuffled, repeated and late reports end where the ordered run ends. */
export function advance<M extends MessageHead>(
  step: Step<M>,
  report: ProviderReport,
  now: Date,
): { step: Step<M>; outcome: ReportOutcome } {
  const at = now.toISOString();
  // No attempt was made yet, so whatever this report speaks of, it is not this message.
  if (!wasTried(step.message)) return { step, outcome: 'ignored' };
  // Whoever reports on it has it: there is nothing left to send, even when an attempt seemed to fail.
  const known = { providerSid: step.message.providerSid ?? report.resourceSid, dueAt: null };
  const target = stateOfTwilioStatus(report.status);
  if (target === undefined) return { step: note(step, at, known), outcome: 'unknown' };

  const failed = target === 'failed' || target === 'undelivered';
  const moved = move(step, target, at, {
    ...known,
    ...(failed && { error: describeFailure(report.errorCode) }),
  });
  if (moved.changes.length > step.changes.length) return { step: moved, outcome: 'applied' };
  return { step: note(step, at, known), outcome: 'ignored' };
}

/** Whether a report cannot be the repeat of an earlier one, which would have moved the message then. */
export function isNews(message: Pick<Message, 'state'>, report: Pick<ProviderReport, 'status'>): boolean {
  const target = stateOfTwilioStatus(report.status);
  return target !== undefined && wasTried(message) && canMove(message.state, target);
}

function wasTried({ state }: Pick<Message, 'state'>): boolean {
  return messageMachine[state].progress >= messageMachine.submitting.progress;
}

/**
 * When to ask the provider about a silent message again: each time at about twice the age it had before. Null after a
 * day and a half: some carriers never send a receipt, and `sent` is all there will be.
 */
export function nextCheck(
  message: Pick<Message, 'createdAt' | 'state'>,
  now: Date,
  firstAfterMs: number,
): string | null {
  if (isFinal(message.state)) return null;
  const age = now.getTime() - Date.parse(message.createdAt);
  if (age > 36 * hour) return null;
  return new Date(now.getTime() + Math.max(firstAfterMs, age)).toISOString();
}
