import type { VerificationState } from '@signalbox/contracts';

/**
 * The life of a verification, as data. `progress` is a total order: it never goes back, whatever order callbacks arrive in.
 */
export const verificationMachine = {
  accepted: { progress: 0, next: ['submitted', 'completed', 'failed'] },
  submitted: { progress: 1, next: ['completed', 'failed'] },
  completed: { progress: 2, next: [] },
  failed: { progress: 2, next: [] },
} as const satisfies Record<VerificationState, { progress: number; next: readonly VerificationState[] }>;

/** The provider's status → ours. A status that is not here is kept in the history and counted, and changes nothing. */
const providerStatuses: Readonly<Record<string, VerificationState>> = {
  queued: 'submitted',
  completed: 'completed',
  failed: 'failed',
};

export function stateOfStatus(status: string): VerificationState | undefined {
  return Object.hasOwn(providerStatuses, status) ? providerStatuses[status] : undefined;
}

export function canMove(from: VerificationState, to: VerificationState): boolean {
  return (verificationMachine[from].next as readonly VerificationState[]).includes(to);
}
