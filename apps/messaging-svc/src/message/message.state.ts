import type { MessageState } from '@signalbox/contracts';

/**
 * The life of a message, as data. `progress` is a total order: a message never goes back, whatever order callbacks
 * arrive in. `submitting` spans every attempt to hand the message over, so a retry is not a step back.
 */
export const messageMachine = {
  accepted: { progress: 0, next: ['scheduled', 'queued', 'canceled', 'expired', 'rejected'] },
  scheduled: { progress: 1, next: ['queued', 'submitting', 'canceled', 'expired', 'rejected'] },
  queued: { progress: 2, next: ['submitting', 'canceled', 'expired', 'rejected'] },
  submitting: {
    progress: 3,
    next: ['submitted', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'canceled', 'expired', 'rejected'],
  },
  submitted: { progress: 4, next: ['sent', 'delivered', 'read', 'undelivered', 'failed', 'canceled'] },
  sent: { progress: 5, next: ['delivered', 'read', 'undelivered', 'failed'] },
  delivered: { progress: 6, next: ['read'] },
  undelivered: { progress: 6, next: [] },
  failed: { progress: 6, next: [] },
  canceled: { progress: 6, next: [] },
  expired: { progress: 6, next: [] },
  rejected: { progress: 6, next: [] },
  read: { progress: 7, next: [] },
} as const satisfies Record<MessageState, { progress: number; next: readonly MessageState[] }>;

/**
 * Twilio's message status → ours. A status that is not here is kept in the history and counted, and changes nothing.
 * `partially_delivered` is in Twilio's enum without a word on when it is sent; `sent` claims no more than it says.
 * Source: Twilio API v2010, message_enum_status.
 */
const twilioStatuses: Readonly<Record<string, MessageState>> = {
  accepted: 'submitted',
  scheduled: 'submitted',
  queued: 'submitted',
  sending: 'submitted',
  sent: 'sent',
  partially_delivered: 'sent',
  delivered: 'delivered',
  read: 'read',
  undelivered: 'undelivered',
  failed: 'failed',
  canceled: 'canceled',
};

export function stateOfTwilioStatus(status: string): MessageState | undefined {
  return Object.hasOwn(twilioStatuses, status) ? twilioStatuses[status] : undefined;
}

export function canMove(from: MessageState, to: MessageState): boolean {
  return (messageMachine[from].next as readonly MessageState[]).includes(to);
}

/** Nothing is left for us to do; `delivered` may still become `read`. */
export function isFinal(state: MessageState): boolean {
  return messageMachine[state].progress >= messageMachine.delivered.progress;
}
