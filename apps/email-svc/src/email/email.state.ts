import type { EmailState } from '@signalbox/contracts';

/**
 * The life of an email, as data. `progress` is a total order: it never goes back, whatever order callbacks arrive in.
 */
export const emailMachine = {
  accepted: { progress: 0, next: ['submitted', 'completed', 'failed'] },
  submitted: { progress: 1, next: ['completed', 'failed'] },
  completed: { progress: 2, next: [] },
  failed: { progress: 2, next: [] },
} as const satisfies Record<EmailState, { progress: number; next: readonly EmailState[] }>;

/** The provider's status → ours. A status that is not here is kept in the history and counted, and changes nothing. */
const providerStatuses: Readonly<Record<string, EmailState>> = {
  queued: 'submitted',
  completed: 'completed',
  failed: 'failed',
};

export function stateOfStatus(status: string): EmailState | undefined {
  return Object.hasOwn(providerStatuses, status) ? providerStatuses[status] : undefined;
}

export function canMove(from: EmailState, to: EmailState): boolean {
  return (emailMachine[from].next as readonly EmailState[]).includes(to);
}
