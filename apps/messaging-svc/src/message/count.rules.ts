import type { MessageHead, StateChange, Step } from './message.ts';

/** What is counted of messages. `handed_over`: the provider took it; the others are ends. */
export const outcomes = ['handed_over', 'delivered', 'failed', 'rejected', 'expired', 'canceled'] as const;

export type Outcome = (typeof outcomes)[number];

/** So many messages did the same, of those that belong together. */
export interface Delta {
  /** Start of the hour, ISO 8601 UTC. */
  readonly hour: string;
  readonly tenant: string;
  /** Sender or SID of the messaging service; empty when none was found. */
  readonly sender: string;
  /** The recipient's number without its last four digits; empty when it was no number. Enough for country, prefix and carrier. */
  readonly digits: string;
  /** Empty when there was no error. */
  readonly code: string;
  readonly outcome: Outcome;
  readonly count: number;
}

/** What these steps add to the counts, a delta for each group of alike ones. */
export function countMoves(steps: readonly Step<MessageHead>[]): Delta[] {
  const deltas = new Map<string, Delta>();
  for (const { message, changes } of steps) {
    for (const change of changes) {
      for (const outcome of outcomesOf(change, message)) {
        const code = outcome === 'handed_over' ? '' : String(change.error?.code ?? '');
        const delta = {
          hour: `${change.at.slice(0, 13)}:00:00.000Z`,
          tenant: message.tenant,
          sender: message.messagingServiceSid ?? message.from ?? '',
          digits: leadingDigits(message.to),
          code,
          outcome,
        };
        const key = Object.values(delta).join('\0');
        deltas.set(key, { ...delta, count: (deltas.get(key)?.count ?? 0) + 1 });
      }
    }
  }
  return [...deltas.values()];
}

function outcomesOf({ from, to }: StateChange, { providerSid }: MessageHead): Outcome[] {
  const taken: Outcome[] = from === 'submitting' && providerSid !== null && to !== 'rejected' ? ['handed_over'] : [];
  switch (to) {
    case 'delivered':
      return [...taken, 'delivered'];
    // A receipt of reading can come without one of delivery, or before it.
    case 'read':
      return from === 'delivered' ? [] : [...taken, 'delivered'];
    case 'undelivered':
    case 'failed':
      return [...taken, 'failed'];
    case 'rejected':
    case 'expired':
    case 'canceled':
      return [...taken, to];
    case 'accepted':
    case 'scheduled':
    case 'queued':
    case 'submitting':
      return [];
    case 'submitted':
    case 'sent':
      return taken;
  }
}

function leadingDigits(address: string): string {
  const number = address.replace(/^whatsapp:/, '');
  return /^\+\d{7,15}$/.test(number) ? number.slice(0, -4) : '';
}
