import {
  type Failure,
  type MessageChannel,
  type SuppressionChanged,
  type SuppressionChannel,
  type SuppressionReason,
  type SuppressionState,
  topics,
} from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { eventSource } from '../message/message.events.ts';
import { type Message, move, type Step, unchanged } from '../message/message.ts';

/** Opts out of every sender of the tenant. */
export const wholeTenant = '*';

export interface SuppressionKey {
  readonly tenant: string;
  readonly recipient: string;
  readonly channel: SuppressionChannel;
  /** A messaging service's SID, a sender, or `*`. */
  readonly scope: string;
}

/** Where a recipient stands in one scope, or stood after one change; times are ISO 8601 UTC strings with milliseconds. */
export interface Suppression extends SuppressionKey {
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  /** The word that said so, as the provider's filter has it. */
  readonly keyword: string | null;
  /** 0 while nothing was ever decided. */
  readonly sequence: number;
  readonly at: string;
}

export interface PoolSighting {
  readonly tenant: string;
  readonly sender: string;
  /** Null: the sender was seen outside of any service. */
  readonly messagingServiceSid: string | null;
}

/** What somebody asks for; it changes something only when the recipient stands otherwise. */
export interface SuppressionRequest extends SuppressionKey {
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  readonly keyword?: string | null;
  readonly at: string;
  /** For a refusal of the provider: when it was asked. An opt-in since then is newer than what the refusal proves. */
  readonly provedAt?: string;
}

/** Where the recipient stands after a request; undefined when that is where they stood before. */
export function decide(current: Suppression | undefined, request: SuppressionRequest): Suppression | undefined {
  const before = current?.state ?? 'opted_in';
  if (request.state === before) return undefined;
  const decided = current !== undefined && current.sequence > 0;
  if (request.provedAt !== undefined && decided && current.at >= request.provedAt) return undefined;
  const { provedAt: _, ...rest } = request;
  return { ...rest, keyword: request.keyword ?? null, sequence: (current?.sequence ?? 0) + 1 };
}

/** Applies requests in the order of their arrival; yields every change, oldest first. */
export function decideAll(
  current: ReadonlyMap<string, Suppression>,
  requests: readonly SuppressionRequest[],
): Suppression[] {
  const standing = new Map(current);
  return requests.flatMap((request) => {
    const key = keyOf(request);
    const changed = decide(standing.get(key), request);
    if (!changed) return [];
    standing.set(key, changed);
    return [changed];
  });
}

export function keyOf({ tenant, recipient, channel, scope }: SuppressionKey): string {
  return [tenant, channel, scope, recipient].join(':');
}

/** SMS, MMS and RCS of a sender are one to the provider. Source: Twilio help 223134027, since 2026-03-16. */
export function listedChannel(channel: MessageChannel | 'rcs'): SuppressionChannel {
  return channel === 'whatsapp' ? 'whatsapp' : 'sms';
}

/** WhatsApp addresses keep their prefix; a person on RCS is the same person as on SMS. */
export function listedAddress(address: string): { recipient: string; channel: SuppressionChannel } {
  return address.startsWith('whatsapp:')
    ? { recipient: address, channel: 'whatsapp' }
    : { recipient: address.replace(/^rcs:/, ''), channel: 'sms' };
}

/** What the provider opts a recipient of this message out of; null when no sender was found for it. */
export function scopeOf(message: Pick<Message, 'messagingServiceSid' | 'from'>): string | null {
  return message.messagingServiceSid ?? message.from;
}

/** Ends a message that waits, or waits for another attempt, because its recipient has opted out since. */
export function suppress(message: Message, now: Date): Step {
  return move(unchanged(message), 'rejected', now.toISOString(), { error: suppressed });
}

export function toSuppressionEvent(change: Suppression): OutgoingEvent {
  const key = keyOf(change);
  return {
    topic: topics.suppressionEvents.name,
    key,
    event: {
      id: `${key}.${change.sequence}`,
      source: eventSource,
      type: 'suppression.changed.v1',
      time: change.at,
      data: { ...change } satisfies SuppressionChanged,
    },
  };
}

export const suppressed: Failure = {
  code: 'suppressed',
  class: 'compliance',
  title: 'The recipient has opted out',
  remedy: 'Do not write to them; they opt in again by texting START, or an administrator lifts the suppression',
};
