import type { EventHeaders } from '@signalbox/contracts';
import type { IHeaders } from 'kafkajs';
import type { MessageEvent } from './client.ts';

/** Kafka allows a header to repeat and to be binary; the contract's headers are single strings, so the last one counts. */
export function headerStrings(headers: IHeaders | undefined): EventHeaders {
  const strings: EventHeaders = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined) strings[name] = last.toString();
  }
  return strings;
}

/**
 * Recognises an event handed out before: Kafka delivers at least once. State changes carry a sequence per message;
 * other events are told by their id. Remembers the latest `capacity` aggregates.
 */
export class RepeatFilter {
  readonly #seen = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity = 50_000) {
    this.#capacity = capacity;
  }

  isNew(event: MessageEvent): boolean {
    const { key, sequence } = position(event);
    return sequence > (this.#seen.get(key) ?? 0);
  }

  remember(event: MessageEvent): void {
    const { key, sequence } = position(event);
    // Deleting first moves the key to the young end of the map.
    this.#seen.delete(key);
    this.#seen.set(key, sequence);
    if (this.#seen.size > this.#capacity) this.#seen.delete(this.#seen.keys().next().value ?? '');
  }
}

function position(event: MessageEvent): { key: string; sequence: number } {
  return event.type === 'messaging.message.state-changed.v1'
    ? { key: event.data.messageId, sequence: event.data.sequence }
    : { key: event.id, sequence: 1 };
}
