import type { EmailState, Failure, Lane, Metadata } from '@signalbox/contracts';
import { canMove, isWithProvider } from './email.state.ts';

/** The IP pool that an email goes through, if any. */
export interface PoolUse {
  /** By our name; null: SendGrid chooses. */
  readonly pool: string | null;
  /** At SendGrid. */
  readonly name: string | null;
  /** Who keeps the recipient's mailbox. */
  readonly provider: string;
  /** The pool that warms up and did not take it; null when it goes where it is meant to go. */
  readonly insteadOf: {
    readonly pool: string;
    readonly why: 'pool_full' | 'provider_full' | 'critical';
    /** What was full: so many a day, of the pool or of the provider in it. */
    readonly cap: number | null;
  } | null;
}

/** One email as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Email {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  /** An address in lower case, without a name. */
  readonly to: string;
  readonly toName: string | null;
  /** An address, or `Name <address>`. */
  readonly from: string;
  readonly replyTo: string | null;
  readonly subject: string;
  readonly templateId: string | null;
  readonly categories: readonly string[];
  readonly lane: Lane;
  /** What emails have in common that can go through one call of the provider: a digest, and the key of their body. */
  readonly bodyKey: string;
  readonly unsubscribeGroup: number | null;
  /** What its request says. */
  readonly ipPool: string | null;
  readonly correlationId: string | null;
  readonly metadata: Metadata;
  readonly sendAt: string | null;
  readonly expiresAt: string | null;
  readonly traceparent: string;
  readonly createdAt: string;

  /** Null once the provider has it: then nothing will need it again. */
  readonly templateData: Readonly<Record<string, unknown>> | null;
  readonly state: EmailState;
  readonly sequence: number;
  /** `X-Message-Id`; emails of one call share it. */
  readonly providerSid: string | null;
  readonly error: Failure | null;
  /** Number of the last attempt; 0 before the first. */
  readonly attempt: number;
  /** When the dispatcher may take it; null while an attempt is open and when nothing is left to send. */
  readonly dueAt: string | null;
  /** The line it waits in: emails under the same quotas. A hint that dispatch corrects when quotas have changed. */
  readonly queue: string;
  /** As its last attempt has it; null where the tenant has neither pools nor names of its own for mailbox providers. */
  readonly pool: PoolUse | null;
  readonly opens: number;
  /** Fetched by the proxy of a mail client; nobody may have looked. */
  readonly machineOpens: number;
  readonly clicks: number;
  readonly updatedAt: string;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the email. */
export interface StateChange {
  readonly sequence: number;
  readonly from: EmailState | null;
  readonly to: EmailState;
  readonly at: string;
  readonly error: Failure | null;
}

/** A line of the history besides those of the moves. */
export interface Remark {
  readonly at: string;
  readonly kind: 'callback' | 'settled';
  /** What tells the occurrence from others of this email, where it may be told again. */
  readonly eventId?: string;
  /** The provider's own id of the event. */
  readonly providerEventId?: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  /** The move it brought about, which then has no line of its own. */
  readonly change?: StateChange | undefined;
}

/** What a decision did: the email before and after it, and the moves in between. */
export interface Step {
  /** The same object as `email` when nothing was decided; null for a new email. */
  readonly before: Email | null;
  readonly email: Email;
  readonly changes: readonly StateChange[];
  readonly remarks: readonly Remark[];
}

export type Facts = Partial<
  Pick<
    Email,
    | 'providerSid'
    | 'error'
    | 'attempt'
    | 'dueAt'
    | 'queue'
    | 'pool'
    | 'opens'
    | 'machineOpens'
    | 'clicks'
    | 'templateData'
  >
>;

/** What an email is known by to those who asked for it, in one string. */
export function naturalKey({ tenant, idempotencyKey }: Pick<Email, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

/** A new email; the state it begins in has none before it. */
export function begin(email: Email): Step {
  const { sequence, state, createdAt, error } = email;
  return { before: null, email, changes: [{ sequence, from: null, to: state, at: createdAt, error }], remarks: [] };
}

/** A new email that is over before it began; what else was decided of it is void. */
export function rejectNew(email: Email, error: Failure): Step {
  return begin({ ...email, state: 'rejected', sequence: 1, error, dueAt: null, templateData: null });
}

export function unchanged(email: Email): Step {
  return { before: email, email, changes: [], remarks: [] };
}

/**
 * Moves the email and notes the facts; where its machine forbids the move, nothing happens. Whatever ends it, or says that the
 * provider has it, leaves nothing to send.
 */
export function move(step: Step, to: EmailState, at: string, facts: Facts = {}): Step {
  const { email, changes } = step;
  if (!canMove(email.state, to)) return step;
  const change = { sequence: email.sequence + 1, from: email.state, to, at, error: facts.error ?? null };
  return {
    ...step,
    email: {
      ...email,
      ...facts,
      ...(isWithProvider(to) && { dueAt: null, templateData: null }),
      state: to,
      sequence: change.sequence,
      updatedAt: at,
    },
    changes: [...changes, change],
  };
}

export function remark(step: Step, line: Remark): Step {
  return { ...step, remarks: [...step.remarks, line] };
}

/** Notes facts that are no move. */
export function note(step: Step, at: string, facts: Facts): Step {
  const { email } = step;
  const known = (Object.keys(facts) as (keyof Facts)[]).every((name) => email[name] === facts[name]);
  return known ? step : { ...step, email: { ...email, ...facts, updatedAt: at } };
}
