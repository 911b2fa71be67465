import type { Failure, SendCommand } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { channelOf, contentFault, type ContentContext, estimate } from '../content/content.rules.ts';
import { type LastInbound, windowFault } from '../content/whatsapp.rules.ts';
import { deadline } from '../fallback/fallback.rules.ts';
import { begin, type Message, move, rejectNew, remark, type Step } from '../message/message.ts';
import { release } from '../schedule/quiet-hours.rules.ts';
import { alwaysQuiet, expiresInQuietHours, quietRemark } from '../schedule/release.rules.ts';
import { senderFault } from '../senders/senders.rules.ts';

export interface AcceptanceContext {
  readonly id: string;
  readonly now: Date;
  readonly tenant: Tenant;
  readonly digest: string;
  /** W3C trace context of the request; without one the message id becomes the trace id, so either finds the other. */
  readonly traceparent: string | undefined;
  readonly content: Omit<ContentContext, 'smartEncoding'>;
  /** When the recipients of the batch last wrote to us on WhatsApp. */
  readonly lastInbound: readonly LastInbound[];
}

/** Decides on a send request: queued, scheduled, or rejected with the reason. Always yields a message, so the caller always gets an event. */
export function accept(command: SendCommand, context: AcceptanceContext): Step {
  const { tenant } = context;
  const at = context.now.toISOString();
  const recipient = toE164(command.to, command.channel);
  const sender = chooseSender(command, tenant);
  const channel = channelOf(command);
  const content = { ...context.content, smartEncoding: tenant.smartEncoding ?? false };
  const message: Message = {
    id: context.id,
    tenant: tenant.name,
    idempotencyKey: command.idempotencyKey,
    requestDigest: context.digest,
    channel,
    to: recipient.ok ? recipient.e164 : command.to,
    from: sender.from,
    messagingServiceSid: sender.messagingServiceSid,
    content: {
      body: command.body ?? null,
      mediaUrls: command.mediaUrls,
      contentSid: command.contentSid ?? null,
      contentVariables: command.contentVariables,
      maxPrice: command.maxPrice ?? null,
    },
    lane: command.lane,
    fallback: command.fallback,
    metadata: command.metadata,
    sendAt: toUtc(command.sendAt),
    expiresAt: toUtc(command.expiresAt),
    timeZone: command.timeZone ?? null,
    consent: command.consent ?? null,
    estimate: estimate(channel, recipient.ok ? recipient.e164 : command.to, command, content),
    traceparent: context.traceparent ?? traceOfMessage(context.id),
    createdAt: at,
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    attempt: 0,
    dueAt: null,
    queue: '',
    checkAt: null,
    fallbackTaken: 0,
    fallbackAt: null,
    updatedAt: at,
  };

  if (!recipient.ok) return rejectNew(message, invalidRecipient(recipient.reason));
  if (sender.error) return rejectNew(message, sender.error);
  if (message.expiresAt !== null && message.expiresAt <= at) return rejectNew(message, alreadyExpired);

  const fault = contentFault(channel, command, message.estimate, content) ?? senderFault(message, tenant);
  if (fault) return rejectNew(message, fault);

  const scheduled = message.sendAt !== null && message.sendAt > at;
  const wanted = scheduled && message.sendAt !== null ? new Date(message.sendAt) : context.now;
  const free = release(message, wanted, tenant.quietHours);
  if (free.kind === 'never') return rejectNew(message, alwaysQuiet);
  const dueAt = free.time.toISOString();
  const held = free.time > wanted;
  if (held && message.expiresAt !== null && message.expiresAt <= dueAt) {
    return rejectNew(message, expiresInQuietHours);
  }
  // The person may write to us before a later time; dispatch looks again.
  const closed = free.time > context.now ? undefined : windowFault(message, context.lastInbound, context.now);
  if (closed) return rejectNew(message, closed);

  const step = move(begin(message), scheduled ? 'scheduled' : 'queued', at, {
    dueAt,
    fallbackAt: deadline(message, free.time),
  });
  return held ? remark(step, quietRemark(at, dueAt, free.zones)) : step;
}

interface Sender {
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  readonly error?: Failure;
}

function chooseSender(command: SendCommand, tenant: Tenant): Sender {
  if (command.from) {
    const from = toE164(command.from, command.channel);
    const wanted = from.ok ? from.e164 : command.from;
    const plain = wanted.replace(/^whatsapp:/, '');
    const owned = tenant.senders.some((sender) => sender === wanted || sender === plain);
    return owned ? { from: wanted, messagingServiceSid: null } : { ...noSender, error: unknownSender };
  }
  const name = command.messagingService ?? tenant.defaultMessagingService;
  if (name) {
    const sid = Object.hasOwn(tenant.messagingServices, name) ? tenant.messagingServices[name] : undefined;
    return sid ? { from: null, messagingServiceSid: sid } : { ...noSender, error: unknownMessagingService };
  }
  return tenant.defaultSender
    ? { from: onChannel(tenant.defaultSender, command.channel), messagingServiceSid: null }
    : { ...noSender, error: unknownSender };
}

function onChannel(sender: string, channel: SendCommand['channel']): string {
  return channel === 'whatsapp' && sender.startsWith('+') ? `whatsapp:${sender}` : sender;
}

const noSender: Sender = { from: null, messagingServiceSid: null };

function toUtc(time: string | null | undefined): string | null {
  return time ? new Date(time).toISOString() : null;
}

/** Any non-zero span id will do: it only stands in for the caller's span, which does not exist. */
function traceOfMessage(id: string): string {
  const hex = id.replaceAll('-', '');
  return `00-${hex}-${hex.slice(16)}-01`;
}

function invalidRecipient(reason: string): Failure {
  return {
    code: 'invalid_recipient',
    class: 'terminal',
    title: `The recipient is not a phone number: ${reason}`,
    remedy: 'Send the number in E.164, e.g. +14155550199',
  };
}

const unknownSender: Failure = {
  code: 'unknown_sender',
  class: 'configuration',
  title: 'The sender does not belong to this tenant',
  remedy: "Use one of the tenant's senders, or add it to the tenant file",
};

const unknownMessagingService: Failure = {
  code: 'unknown_messaging_service',
  class: 'configuration',
  title: 'The tenant has no messaging service of this name',
  remedy: 'Use a name from messagingServices in the tenant file',
};

const alreadyExpired: Failure = {
  code: 'expired',
  class: 'terminal',
  title: 'expiresAt had passed when the request arrived',
  remedy: 'Publish earlier or allow more time; look at the consumer lag of commands.messaging.v1',
};
