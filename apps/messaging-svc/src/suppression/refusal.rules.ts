import type { EventOf, topics } from '@signalbox/contracts';
import type { Attempt, SendOutcome } from '@signalbox/outbound';
import type { Message, MessageHead } from '../message/message.ts';
import { isTollFree } from './keywords.rules.ts';
import { listedAddress, type PoolSighting, scopeOf, type SuppressionRequest } from './suppression.rules.ts';

type Callback = EventOf<typeof topics.twilioMessageCallbacks>;

/** The recipient has opted out. Source: Twilio error 21610. */
const optedOut = 21610;
/** Blocked; from a toll-free number the network says so of a recipient who texted STOP. Source: Twilio error 30004. */
const blocked = 30004;

/** What a refusal of a send says about the list: the provider knows an opt-out, wherever it came from. */
export function provedBySend(
  message: Message,
  attempt: Attempt,
  outcome: SendOutcome,
  now: Date,
): SuppressionRequest | undefined {
  const scope = scopeOf(message);
  if (outcome.kind !== 'refused' || outcome.error.code !== optedOut || scope === null) return undefined;
  return {
    tenant: message.tenant,
    ...listedAddress(message.to),
    scope,
    state: 'opted_out',
    reason: 'provider_refused',
    source: message.id,
    at: now.toISOString(),
    provedAt: attempt.startedAt,
  };
}

/**
 * The same of a status callback, also of one that belongs to no message of ours: another system on the account found
 * out. Senders are chosen late with a messaging service, so the callback's own words come before the message's.
 */
export function provedByCallback({ data }: Callback, message: MessageHead | undefined): SuppressionRequest | undefined {
  const from = single(data.params['From']) ?? message?.from ?? null;
  const proved = data.errorCode === optedOut || (data.errorCode === blocked && from !== null && isTollFree(from));
  const to = single(data.params['To']) ?? message?.to;
  const service = single(data.params['MessagingServiceSid']) ?? message?.messagingServiceSid ?? null;
  const scope = scopeOf({ messagingServiceSid: service, from });
  if (!proved || to === undefined || scope === null) return undefined;
  return {
    tenant: data.tenant,
    ...listedAddress(to),
    scope,
    state: 'opted_out',
    reason: 'provider_refused',
    source: data.resourceSid,
    at: data.receivedAt,
    // When the provider was asked is not said; it was not before the message existed.
    provedAt: message?.createdAt ?? data.receivedAt,
  };
}

/** Which service the sender of a callback belongs to; undefined when it does not say, as for a send without a service. */
export function poolOf({ data }: Callback): PoolSighting | undefined {
  const sender = single(data.params['From']);
  const messagingServiceSid = single(data.params['MessagingServiceSid']);
  return sender && messagingServiceSid ? { tenant: data.tenant, sender, messagingServiceSid } : undefined;
}

function single(value: string | string[] | undefined): string | undefined {
  return (Array.isArray(value) ? value[0] : value) || undefined;
}
