import type { Failure, SendEmailCommand } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import { readAddress, writeAddress } from '../email/address.rules.ts';
import type { EmailBody } from '../email/body.store.ts';
import { begin, type Email, move, rejectNew, type Step } from '../email/email.ts';
import { failures } from '../email/failures.ts';
import { templateReference } from '../templates/template.rules.ts';

export interface AcceptanceContext {
  readonly id: string;
  readonly now: Date;
  readonly tenant: Tenant;
  readonly digest: string;
  /** W3C trace context of the request; without one the email's id becomes the trace id, so either finds the other. */
  readonly traceparent: string | undefined;
  /** Digest of what emails have in common that go through one call. */
  readonly bodyKeyOf: (common: object) => string;
  /** The address that names this email, for its answers; undefined where the tenant has none. */
  readonly replyAddress?: string | undefined;
  /** What is wrong with the template it names, or with the data for it. */
  readonly templateFault?: Failure | undefined;
}

/** Decides on a request: queued, scheduled, or rejected with the reason. Always yields an email, so that the caller always gets an event. */
export function accept(command: SendEmailCommand, context: AcceptanceContext): { step: Step; body: EmailBody } {
  const { tenant, now } = context;
  const at = now.toISOString();
  const recipient = readAddress(command.to);
  const sender = readAddress(command.from || (tenant.sendgrid?.from ?? ''));
  const wantedReplyTo = command.trackReplies ? context.replyAddress : command.replyTo;
  const replyTo = wantedReplyTo ? readAddress(wantedReplyTo) : undefined;
  const templateId = command.template ? templateReference(command.template) : (command.templateId ?? null);
  const subject = subjectOf(command, templateId);
  const body: EmailBody = {
    text: templateId !== null ? null : (command.text ?? null),
    html: templateId !== null ? null : (command.html ?? null),
    attachments: command.attachments,
  };
  const shared = {
    tenant: tenant.name,
    from: sender ? writeAddress(sender) : (command.from ?? ''),
    replyTo: replyTo ? writeAddress(replyTo) : null,
    templateId,
    categories: [...new Set(command.categories)].filter((category) => category !== ''),
    unsubscribeGroup: command.lane === 'bulk' ? (command.unsubscribeGroup ?? null) : null,
    ipPool: command.ipPool ?? null,
  };
  const email: Email = {
    ...shared,
    id: context.id,
    idempotencyKey: command.idempotencyKey,
    requestDigest: context.digest,
    to: recipient?.email ?? command.to,
    toName: recipient?.name ?? null,
    subject: subject ?? '',
    lane: command.lane,
    bodyKey: context.bodyKeyOf([shared, command.lane === 'bulk', body]),
    correlationId: command.correlationId ?? null,
    metadata: command.metadata,
    sendAt: toUtc(command.sendAt),
    expiresAt: toUtc(command.expiresAt),
    traceparent: context.traceparent ?? traceOfEmail(context.id),
    createdAt: at,
    templateData: templateId !== null ? command.templateData : null,
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    attempt: 0,
    dueAt: null,
    queue: '',
    pool: null,
    opens: 0,
    machineOpens: 0,
    clicks: 0,
    updatedAt: at,
  };

  const fault =
    (!recipient && failures.invalidRecipient) ||
    senderFault(command, tenant, sender) ||
    (command.replyTo && !replyTo && failures.invalidSender) ||
    (command.trackReplies && !replyTo && failures.noReplyAddress) ||
    context.templateFault ||
    (subject === null && failures.noSubject) ||
    (email.expiresAt !== null && email.expiresAt <= at && alreadyExpired) ||
    (email.expiresAt !== null && email.sendAt !== null && email.expiresAt <= email.sendAt && neverInTime);
  if (fault) return { step: rejectNew(email, fault), body };

  const scheduled = email.sendAt !== null && email.sendAt > at;
  const step = move(begin(email), scheduled ? 'scheduled' : 'queued', at, { dueAt: scheduled ? email.sendAt : at });
  return { step, body };
}

function senderFault(command: SendEmailCommand, tenant: Tenant, sender: object | undefined): Failure | undefined {
  if (!tenant.sendgrid?.apiKey) return failures.notConfigured;
  if (sender) return undefined;
  return command.from ? failures.invalidSender : failures.noSender;
}

/** Null where there is nothing that could be one; a template brings its own. */
function subjectOf({ subject, text }: SendEmailCommand, templateId: string | null): string | null {
  const written = subject?.trim();
  if (written) return written.replace(/\s+/g, ' ');
  if (templateId !== null) return '';
  const line = text
    ?.split('\n')
    .map((one) => one.trim())
    .find((one) => one !== '');
  return line ? line.slice(0, 78) : null;
}

function toUtc(time: string | null | undefined): string | null {
  return time ? new Date(time).toISOString() : null;
}

/** Any non-zero span id will do: it only stands in for the caller's span, which does not exist. */
function traceOfEmail(id: string): string {
  const hex = id.replaceAll('-', '');
  return `00-${hex}-${hex.slice(16)}-01`;
}

const alreadyExpired: Failure = {
  code: 'expired',
  class: 'terminal',
  title: 'expiresAt had passed when the request arrived',
  remedy: 'Publish earlier or allow more time; look at the consumer lag of commands.email.v1',
};

const neverInTime: Failure = {
  code: 'expired',
  class: 'terminal',
  title: 'expiresAt is not after sendAt',
  remedy: 'Allow time after sendAt',
};
