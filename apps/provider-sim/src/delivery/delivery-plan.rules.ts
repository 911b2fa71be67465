import type { Channel } from '../messages-api/address.rules.ts';

export type Outcome = 'delivered' | 'undelivered' | 'failed';

/** A status the message takes, so long after the one before. */
export interface Step {
  afterMs: number;
  status: 'queued' | 'sent' | 'read' | Outcome;
  errorCode: number | null;
}

export interface DeliveryCase {
  channel: Channel;
  /** A messaging service accepts first and queues when it has chosen a sender. */
  viaService: boolean;
  outcome: Outcome;
  errorCode: number | null;
  /** How long the message may wait to be sent. */
  validityMs: number;
  /** Whether the recipient, on a channel that tells, reads it. */
  reads: boolean;
}

const VALIDITY_EXPIRED = 30036;

/** The statuses that follow the one of the create answer. `nextDelayMs` is asked once per step. */
export function planDelivery(message: DeliveryCase, nextDelayMs: () => number): Step[] {
  const steps: Step[] = [];
  const step = (status: Step['status'], errorCode: number | null = null) =>
    steps.push({ afterMs: nextDelayMs(), status, errorCode });

  if (message.viaService) step('queued');
  const sending = message.outcome === 'failed' ? step('failed', message.errorCode) : step('sent');
  const waited = steps.reduce((sum, { afterMs }) => sum + afterMs, 0);
  if (waited > message.validityMs) {
    const expiring = steps[sending - 1] as Step;
    expiring.afterMs = Math.max(0, expiring.afterMs - (waited - message.validityMs));
    expiring.status = 'failed';
    expiring.errorCode = VALIDITY_EXPIRED;
    return steps;
  }
  if (message.outcome === 'failed') return steps;

  step(message.outcome, message.errorCode);
  if (message.outcome === 'delivered' && message.channel === 'whatsapp' && message.reads) step('read');
  return steps;
}

/** Who reads is a matter of the number, so that a test can choose: those that end in an even digit do. */
export const readsMessages = (recipient: string): boolean => /[02468]$/.test(recipient);

/** A service sticks to one sender per recipient. */
export function senderFor(recipient: string, pool: readonly string[]): string | undefined {
  let hash = 0;
  for (let at = 0; at < recipient.length; at++) hash = (hash * 31 + recipient.charCodeAt(at)) >>> 0;
  return pool[hash % pool.length];
}
