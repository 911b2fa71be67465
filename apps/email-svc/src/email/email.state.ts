import type { EmailState } from '@signalbox/contracts';

/**
 * The life of an email, as data. `progress` is a total order: an email never goes back, whatever order events arrive in.
 * `submitting` spans every attempt to hand it over, so a retry is not a step back. What SendGrid itself allows after a delivery
 * is allowed here: the bounce of a server that took it first, and the reader's complaint.
 */
export const emailMachine = {
  accepted: { progress: 0, next: ['scheduled', 'queued', 'canceled', 'expired', 'rejected'] },
  scheduled: { progress: 1, next: ['queued', 'submitting', 'canceled', 'expired', 'rejected'] },
  queued: { progress: 2, next: ['submitting', 'canceled', 'expired', 'rejected'] },
  submitting: {
    progress: 3,
    next: [
      'submitted',
      'processed',
      'deferred',
      'delivered',
      'dropped',
      'bounced',
      'complained',
      'failed',
      'canceled',
      'expired',
      'rejected',
    ],
  },
  submitted: { progress: 4, next: ['processed', 'deferred', 'delivered', 'dropped', 'bounced', 'complained'] },
  processed: { progress: 5, next: ['deferred', 'delivered', 'dropped', 'bounced', 'complained'] },
  deferred: { progress: 6, next: ['delivered', 'dropped', 'bounced', 'complained'] },
  delivered: { progress: 7, next: ['bounced', 'complained'] },
  bounced: { progress: 8, next: ['complained'] },
  complained: { progress: 9, next: [] },
  dropped: { progress: 9, next: [] },
  failed: { progress: 9, next: [] },
  canceled: { progress: 9, next: [] },
  expired: { progress: 9, next: [] },
  rejected: { progress: 9, next: [] },
} as const satisfies Record<EmailState, { progress: number; next: readonly EmailState[] }>;

/**
 * SendGrid's event → the state it tells of. What a reader does proves the delivery, whose own event may have been lost. A kind
 * that is not here is kept in the history and counted, and changes nothing.
 * Source: SendGrid, "Event Webhook Reference".
 */
const sendgridEvents: Readonly<Record<string, EmailState>> = {
  processed: 'processed',
  deferred: 'deferred',
  delivered: 'delivered',
  bounce: 'bounced',
  dropped: 'dropped',
  spamreport: 'complained',
  open: 'delivered',
  click: 'delivered',
  unsubscribe: 'delivered',
  group_unsubscribe: 'delivered',
  group_resubscribe: 'delivered',
};

export function stateOfEvent(event: string): EmailState | undefined {
  return Object.hasOwn(sendgridEvents, event) ? sendgridEvents[event] : undefined;
}

export function canMove(from: EmailState, to: EmailState): boolean {
  return (emailMachine[from].next as readonly EmailState[]).includes(to);
}

/** An attempt was made to hand it over, so there may be news of it. */
export function wasTried(state: EmailState): boolean {
  return emailMachine[state].progress >= emailMachine.submitting.progress;
}

/** The provider has it, or it has ended: there is nothing left for us to send. */
export function isWithProvider(state: EmailState): boolean {
  return emailMachine[state].progress > emailMachine.submitting.progress;
}
