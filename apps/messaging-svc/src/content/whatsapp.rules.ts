import type { Failure } from '@signalbox/contracts';
import type { Message } from '../message/message.ts';

/**
 * A person may be answered freely for a day after their last message. A minute less, because it counts from when they
 * wrote, and we hear of it later. Source: Twilio, error 63016.
 */
const windowMs = 24 * 3_600_000 - 60_000;

/** When a person last wrote to one of our addresses. */
export interface LastInbound {
  readonly tenant: string;
  /** `whatsapp:+E164` */
  readonly person: string;
  /** Our address they wrote to. */
  readonly ours: string;
  readonly at: Date;
}

/** Free text needs an open window; a content template does not. */
export function needsWindow({ channel, content }: Pick<Message, 'channel' | 'content'>): boolean {
  return channel === 'whatsapp' && content.contentSid === null;
}

/** A messaging service may answer from any of its senders, so having written to any address of the tenant opens it. */
export function windowFault(
  message: Pick<Message, 'tenant' | 'to' | 'from' | 'channel' | 'content'>,
  lastInbound: readonly LastInbound[],
  now: Date,
): Failure | undefined {
  if (!needsWindow(message)) return undefined;
  const isOpen = lastInbound.some(
    ({ tenant, person, ours, at }) =>
      tenant === message.tenant &&
      person === message.to &&
      (message.from === null || message.from === ours) &&
      now.getTime() - at.getTime() < windowMs,
  );
  return isOpen ? undefined : windowClosed;
}

const windowClosed: Failure = {
  code: 'whatsapp_window_closed',
  class: 'configuration',
  title: 'Free text on WhatsApp, and the person has not written to this sender in the last 24 hours (as 63016)',
  remedy: 'Send an approved template: contentSid with contentVariables',
};
