import type { Delivery } from './attempt.ts';

/** Twilio's words for what became of a message or a call → ours. Source: the enumerations of attempts in its OpenAPI description. */
const deliveries: Readonly<Record<string, Delivery>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'delivered',
  'in-progress': 'sent',
  completed: 'delivered',
  undelivered: 'undelivered',
  failed: 'undelivered',
  busy: 'undelivered',
  'no-answer': 'undelivered',
  canceled: 'undelivered',
};

/** @param status of a message or a call, in small letters or in capitals; null for what says nothing yet or is not known */
export function deliveryOfStatus(status: string): Delivery | null {
  const word = status.toLowerCase().replaceAll('_', '-');
  return Object.hasOwn(deliveries, word) ? (deliveries[word] ?? null) : null;
}
