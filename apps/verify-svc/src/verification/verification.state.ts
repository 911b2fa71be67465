import type { VerificationState } from '@signalbox/contracts';

/**
 * The life of a verification, as data. `progress` is a total order: it never goes back, whatever order events arrive in.
 */
export const verificationMachine = {
  accepted: { progress: 0, next: ['pending', 'approved', 'denied', 'expired', 'canceled', 'failed'] },
  pending: { progress: 1, next: ['approved', 'denied', 'expired', 'canceled', 'failed'] },
  approved: { progress: 2, next: [] },
  denied: { progress: 2, next: [] },
  expired: { progress: 2, next: [] },
  canceled: { progress: 2, next: [] },
  failed: { progress: 2, next: [] },
} as const satisfies Record<VerificationState, { progress: number; next: readonly VerificationState[] }>;

/**
 * The provider's status, in small letters, → ours. A status that is not here is kept in the history and counted, and changes
 * nothing. Source: Twilio's OpenAPI description of Verify v2; `deleted` says only that the resource is gone, not why.
 */
const providerStatuses: Readonly<Record<string, VerificationState>> = {
  pending: 'pending',
  approved: 'approved',
  canceled: 'canceled',
  max_attempts_reached: 'denied',
  expired: 'expired',
  failed: 'failed',
};

/** @param status of REST in small letters, of Event Streams in capitals */
export function stateOfStatus(status: string): VerificationState | undefined {
  const word = status.toLowerCase();
  return Object.hasOwn(providerStatuses, word) ? providerStatuses[word] : undefined;
}

export function canMove(from: VerificationState, to: VerificationState): boolean {
  return (verificationMachine[from].next as readonly VerificationState[]).includes(to);
}

export function isFinal(state: VerificationState): boolean {
  return verificationMachine[state].next.length === 0;
}
