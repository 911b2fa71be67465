import type { CallState } from '@signalbox/contracts';

/**
 * The life of a call, as data. A request may be called several times, in rounds: within a round `progress` is a total
 * order that never goes back, whatever order callbacks arrive in; `waiting` ends a round and `submitting` begins the next.
 */
export const callMachine = {
  accepted: { progress: 0, next: ['submitting', 'failed', 'canceled'] },
  submitting: {
    progress: 1,
    next: ['submitted', 'ringing', 'answered', 'waiting', 'completed', 'busy', 'no-answer', 'failed', 'canceled'],
  },
  submitted: {
    progress: 2,
    next: ['ringing', 'answered', 'waiting', 'completed', 'busy', 'no-answer', 'failed', 'canceled'],
  },
  ringing: { progress: 3, next: ['answered', 'waiting', 'completed', 'busy', 'no-answer', 'failed', 'canceled'] },
  answered: { progress: 4, next: ['completed', 'failed'] },
  waiting: { progress: 5, next: ['submitting', 'failed', 'canceled'] },
  completed: { progress: 6, next: [] },
  busy: { progress: 6, next: [] },
  'no-answer': { progress: 6, next: [] },
  failed: { progress: 6, next: [] },
  canceled: { progress: 6, next: [] },
  rejected: { progress: 6, next: [] },
} as const satisfies Record<CallState, { progress: number; next: readonly CallState[] }>;

/**
 * Twilio's status → ours. A status that is not here is kept in the history and counted, and changes nothing.
 * Source: https://www.twilio.com/docs/voice/api/call-resource#call-status-values
 */
const providerStatuses: Readonly<Record<string, CallState>> = {
  queued: 'submitted',
  initiated: 'submitted',
  ringing: 'ringing',
  'in-progress': 'answered',
  completed: 'completed',
  busy: 'busy',
  'no-answer': 'no-answer',
  failed: 'failed',
  canceled: 'canceled',
};

export function stateOfStatus(status: string): CallState | undefined {
  return Object.hasOwn(providerStatuses, status) ? providerStatuses[status] : undefined;
}

export function canMove(from: CallState, to: CallState): boolean {
  return (callMachine[from].next as readonly CallState[]).includes(to);
}

export function isFinal(state: CallState): boolean {
  return callMachine[state].next.length === 0;
}

/** With the provider, or perhaps so. */
export function isUnderWay(state: CallState): boolean {
  return state === 'submitting' || state === 'submitted' || state === 'ringing' || state === 'answered';
}
