import type { CallState } from '@signalbox/contracts';
import { describeFailure } from '@signalbox/twilio';
import { type Call, move, note, type Step } from '../call/call.ts';
import { canMove, isFinal, isUnderWay, stateOfStatus } from '../call/call.state.ts';

/** What the provider says of a call, by callback or when asked. */
export interface ProviderReport {
  readonly resourceSid: string;
  readonly status: string;
  readonly errorCode: number | null;
  /** Of machine detection, in the provider's words. */
  readonly answeredBy?: string | undefined;
  readonly durationSeconds?: number | undefined;
  readonly sipResponseCode?: number | undefined;
}

/**
 * `applied` moved it; `ignored` came after something further on; `unknown` is a status we have no word for; `earlier` is
 * about a round before this one.
 */
export type ReportOutcome = 'applied' | 'ignored' | 'unknown' | 'earlier';

const hour = 3_600_000;

/**
 * Applies a report: forward only, so shuffled, repeated and late reports end where the ordered run ends. The order of the
 * statuses decides, not `SequenceNumber`, which means the same and is not there when the provider is asked. An outcome that
 * the request wants retried ends the round instead of the call.
 */
export function advance(step: Step, report: ProviderReport, now: Date): { step: Step; outcome: ReportOutcome } {
  const { call } = step;
  const at = now.toISOString();
  if (call.earlierSids.includes(report.resourceSid)) return { step, outcome: 'earlier' };
  // No attempt was made yet, or none since the last round ended: whatever this speaks of, it is not this call.
  if (!isUnderWay(call.state) && !isFinal(call.state)) return { step, outcome: 'ignored' };
  // Whoever reports on it has it: there is nothing left to place, even when an attempt seemed to fail.
  const known = {
    providerSid: call.providerSid ?? report.resourceSid,
    dueAt: null,
    ...(report.answeredBy !== undefined && { answeredBy: report.answeredBy }),
  };
  const target = stateOfStatus(report.status);
  if (target === undefined) return { step: note(step, at, known), outcome: 'unknown' };
  if (!canMove(call.state, target)) {
    return { step: isFinal(call.state) ? step : note(step, at, known), outcome: 'ignored' };
  }
  const facts = {
    ...known,
    ...(report.durationSeconds !== undefined && { durationSeconds: report.durationSeconds }),
    ...(isFailure(target) && { error: errorOf(target, report) }),
  };
  const retryAt = retryTime(call, target, now);
  if (retryAt === undefined) return { step: move(step, target, at, facts), outcome: 'applied' };
  const earlierSids = [...call.earlierSids, facts.providerSid];
  // The SID of the round that is over goes with its event, and then out of the way of the next.
  const ended = move(step, 'waiting', at, { ...facts, dueAt: retryAt, checkAt: null });
  return { step: note(ended, at, { providerSid: null, earlierSids }), outcome: 'applied' };
}

function isFailure(state: CallState): state is 'busy' | 'no-answer' | 'failed' {
  return state === 'busy' || state === 'no-answer' || state === 'failed';
}

/** When the request wants to be called again after this outcome; undefined when it does not. */
function retryTime(call: Call, outcome: CallState, now: Date): string | undefined {
  const { retry } = call.request;
  if (!retry || call.cancelRequested || !isFailure(outcome)) return undefined;
  if (!retry.on.includes(outcome) || call.round >= retry.attempts) return undefined;
  return new Date(now.getTime() + retry.delaySeconds * 1000).toISOString();
}

function errorOf(state: 'busy' | 'no-answer' | 'failed', { errorCode, sipResponseCode }: ProviderReport) {
  if (errorCode !== null) return describeFailure(errorCode);
  const sip = sipResponseCode === undefined ? '' : ` (SIP ${sipResponseCode})`;
  return { ...outcomes[state], title: outcomes[state].title + sip };
}

const outcomes = {
  busy: {
    code: 'busy',
    class: 'retryable',
    title: 'The line was busy',
    remedy: 'Call again later: give the request a retry with `on: [busy]`',
  },
  'no-answer': {
    code: 'no_answer',
    class: 'retryable',
    title: 'Nobody answered in time',
    remedy: 'Call again later (retry), or let it ring longer (ringSeconds)',
  },
  failed: {
    code: 'call_failed',
    class: 'unknown',
    title: 'The call could not be connected',
    remedy: "Look at the number, and at the call in the provider's console, which knows more",
  },
} as const;

/**
 * When to ask the provider about a silent call again: each time at about twice the age it had before, an hour at most. Null
 * after two weeks: the provider has no such call.
 */
export function nextCheck(call: Pick<Call, 'createdAt' | 'state'>, now: Date, firstAfterMs: number): string | null {
  if (isFinal(call.state)) return null;
  const age = now.getTime() - Date.parse(call.createdAt);
  if (age > 14 * 24 * hour) return null;
  return new Date(now.getTime() + Math.max(firstAfterMs, Math.min(age, hour))).toISOString();
}
