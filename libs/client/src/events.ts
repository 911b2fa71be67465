import type { CloudEvent, EventHeaders } from '@signalbox/contracts';
import type { IHeaders } from 'kafkajs';

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
 * Recognises an event handed out before: Kafka delivers at least once. State changes carry a sequence per message, email, call
 * or verification; other events are told by their id. Remembers the latest `capacity` of them.
 */
export class RepeatFilter {
  readonly #seen = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity = 50_000) {
    this.#capacity = capacity;
  }

  isNew(event: Told): boolean {
    const { key, sequence } = position(event);
    return sequence > (this.#seen.get(key) ?? 0);
  }

  remember(event: Told): void {
    const { key, sequence } = position(event);
    // Deleting first moves the key to the young end of the map.
    this.#seen.delete(key);
    this.#seen.set(key, sequence);
    if (this.#seen.size > this.#capacity) this.#seen.delete(this.#seen.keys().next().value ?? '');
  }
}

type Told = Pick<CloudEvent, 'id' | 'type' | 'data'>;

/** What a state change is about, by its type. */
const aggregates: Readonly<Record<string, string>> = {
  'messaging.message.state-changed.v1': 'messageId',
  'email.email.state-changed.v1': 'emailId',
  'voice.call.state-changed.v1': 'callId',
  'verify.verification.state-changed.v1': 'verificationId',
};

function position({ id, type, data }: Told): { key: string; sequence: number } {
  const name = aggregates[type];
  if (name === undefined) return { key: id, sequence: 1 };
  const change = data as Readonly<Record<string, unknown>>;
  return { key: String(change[name]), sequence: Number(change['sequence']) };
}
