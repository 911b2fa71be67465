import type { EmailEngaged, SendgridEmailEvent } from '@signalbox/contracts';
import { type Email, move, note, type Step } from '../email/email.ts';
import { canMove, stateOfEvent, wasTried } from '../email/email.state.ts';
import { failureOf } from './failure.rules.ts';

/** What SendGrid tells of an email. */
export type EmailEvent = Pick<SendgridEmailEvent, 'status' | 'params' | 'errorCode' | 'resourceSid' | 'providerTime'>;

/** `applied` moved or counted something; `ignored` came after something further on; `unknown` is a kind we have no word for. */
export type EventOutcome = 'applied' | 'ignored' | 'unknown';

/** Applies an event: forward only, so shuffled, repeated and late events end where the ordered run ends. */
export function advance(step: Step, event: EmailEvent, now: Date): { step: Step; outcome: EventOutcome } {
  const at = now.toISOString();
  // No attempt was made yet, so whatever this event speaks of, it is not this email.
  if (!wasTried(step.email.state)) return { step, outcome: 'ignored' };
  const counted = count(step, event, at);
  // Whoever tells of it has it: there is nothing left to send, even when an attempt seemed to fail.
  const known = { providerSid: step.email.providerSid ?? messageIdOf(event), dueAt: null };
  const target = stateOfEvent(event.status);
  if (target === undefined) return { step: note(counted, at, known), outcome: 'unknown' };
  const error = failureOf(event);
  const moved = move(counted, target, at, { ...known, ...(error && { error }) });
  if (moved !== counted) return { step: moved, outcome: 'applied' };
  return { step: note(counted, at, known), outcome: counted === step ? 'ignored' : 'applied' };
}

/** Whether an event cannot be the repeat of an earlier one, which would have moved the email then. */
export function isNews(email: Pick<Email, 'state'>, event: Pick<EmailEvent, 'status'>): boolean {
  const target = stateOfEvent(event.status);
  // What is counted as well may be told after something else has moved the email.
  if (target === undefined || engagementOf(event) !== undefined) return false;
  return wasTried(email.state) && canMove(email.state, target);
}

/** What the recipient did; undefined for what only servers do. Opens by proxies of mail clients are a kind of their own. */
export function engagementOf(
  event: Pick<EmailEvent, 'status'> & Partial<Pick<EmailEvent, 'params'>>,
): EmailEngaged['kind'] | undefined {
  switch (event.status) {
    case 'open':
      return event.params?.['sg_machine_open'] === true ? 'machine_open' : 'open';
    case 'click':
    case 'unsubscribe':
    case 'group_unsubscribe':
    case 'group_resubscribe':
      return event.status;
    default:
      return undefined;
  }
}

function count(step: Step, event: EmailEvent, at: string): Step {
  const { opens, machineOpens, clicks } = step.email;
  const kind = engagementOf(event);
  if (kind === 'open') return note(step, at, { opens: opens + 1 });
  if (kind === 'machine_open') return note(step, at, { machineOpens: machineOpens + 1 });
  return kind === 'click' ? note(step, at, { clicks: clicks + 1 }) : step;
}

/**
 * The `X-Message-Id` in front of an `sg_message_id`, else in an `smtp-id`; null where neither has one.
 * Source: SendGrid, "X-Message-ID"; captures of django-anymail.
 */
export function messageIdOf({ resourceSid, params }: Pick<EmailEvent, 'resourceSid' | 'params'>): string | null {
  return sgMessageIdOf(resourceSid) ?? localPartOf(smtpIdOf({ params }) ?? '');
}

/** Null for an `sg_message_id` that begins with the name of a server, and for none, as asynchronous bounces have. */
export function sgMessageIdOf(resourceSid: string): string | null {
  const [, beforeServer] = /^(.+?)\.(?:filter|recvd)/.exec(resourceSid) ?? [];
  if (beforeServer !== undefined) return beforeServer;
  return resourceSid === '' || /^(?:filter|recvd)/.test(resourceSid) ? null : (resourceSid.split('.', 1)[0] ?? null);
}

export function smtpIdOf({ params }: Pick<EmailEvent, 'params'>): string | null {
  const id = params['smtp-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}

/** `wrfRRvF7Q0` of `<wrfRRvF7Q0@ismtpd-1>`. */
export function localPartOf(smtpId: string): string | null {
  return /^<?([^<>@\s]+)@/.exec(smtpId)?.[1] ?? null;
}

/** Fields that tell one occurrence of an email from another, whichever of them an event has. */
const identifying = ['type', 'attempt', 'url', 'url_offset', 'ip', 'useragent', 'asm_group_id', 'reason'] as const;

/**
 * What tells an occurrence from the others of its email. Not made of ids: SendGrid may send an event again under another
 * `sg_event_id`, or without the custom arguments it had.
 */
export function occurrenceOf({ status, providerTime, params }: EmailEvent): string {
  return JSON.stringify([status, providerTime, ...identifying.map((name) => params[name] ?? null)]);
}
