import type { CallState } from '@signalbox/contracts';

/**
 * The life of a call, as data. `progress` is a total order: it never goes back, whatever order callbacks arrive in.
 */
export const callMachine = {
  accepted: { progress: 0, next: ['submitted', 'completed', 'failed'] },
  submitted: { progress: 1, next: ['completed', 'failed'] },
  completed: { progress: 2, next: [] },
  failed: { progress: 2, next: [] },
} as const satisfies Record<CallState, { progress: number; next: readonly CallState[] }>;

/** The provider's status → ours. A status that is not here is kept in the history and counted, and changes nothing. */
const providerStatuses: Readonly<Record<string, CallState>> = {
  queued: 'submitted',
  completed: 'completed',
  failed: 'failed',
};

export function stateOfStatus(status: string): CallState | undefined {
  return Object.hasOwn(providerStatuses, status) ? providerStatuses[status] : undefined;
}

export function canMove(from: CallState, to: CallState): boolean {
  return (callMachine[from].next as readonly CallState[]).includes(to);
}
