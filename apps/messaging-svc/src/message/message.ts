import type { Consent, Failure, Lane, MessageChannel, MessageState, Metadata, SendRequest } from '@signalbox/contracts';
import type { Estimate } from '../content/content.rules.ts';
import { canMove, isFinal } from './message.state.ts';

/** One message as the database has it; times are ISO 8601 UTC strings with milliseconds. */
export interface Message {
  readonly id: string;
  readonly tenant: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the request, to tell a repeat from another request under the same key. */
  readonly requestDigest: string;
  readonly channel: MessageChannel;
  /** E.164, with `whatsapp:` in front for that channel. */
  readonly to: string;
  /** Exactly one of `from` and `messagingServiceSid` is set, unless the message was rejected. */
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  readonly content: MessageContent;
  readonly lane: Lane;
  readonly fallback: SendRequest['fallback'];
  readonly metadata: Metadata;
  readonly sendAt: string | null;
  readonly expiresAt: string | null;
  /** The recipient's, as the request gave it; for quiet hours. */
  readonly timeZone: string | null;
  readonly consent: Consent | null;
  readonly estimate: Estimate;
  readonly traceparent: string;
  readonly createdAt: string;

  readonly state: MessageState;
  readonly sequence: number;
  readonly providerSid: string | null;
  readonly error: Failure | null;
  /** Number of the last attempt; 0 before the first. */
  readonly attempt: number;
  /** When the dispatcher may take it; null while an attempt is open and when nothing is left to send. */
  readonly dueAt: string | null;
  /** The line it waits in: messages under the same quotas. A hint that dispatch corrects when quotas have changed. */
  readonly queue: string;
  /** How many steps of `fallback` have been taken. */
  readonly fallbackTaken: number;
  /** When the next step of `fallback` is taken, unless the message is delivered before; null when there is none to take. */
  readonly fallbackAt: string | null;
  /** When to ask the provider, because its callbacks have been silent; null when nothing more is expected. */
  readonly checkAt: string | null;
  readonly updatedAt: string;
}

/**
 * What becomes of a message needs no more of it than this: not what it says. A report on it, which may come for thousands a second, is
 * spared reading the rest.
 */
export type MessageHead = Omit<
  Message,
  'requestDigest' | 'content' | 'lane' | 'sendAt' | 'expiresAt' | 'timeZone' | 'consent' | 'estimate'
>;

export interface MessageContent {
  readonly body: string | null;
  readonly mediaUrls: readonly string[];
  readonly contentSid: string | null;
  readonly contentVariables: Readonly<Record<string, string>>;
  readonly maxPrice: string | null;
}

/** One move; it becomes a line of the history and an event, in the transaction that saves the message. */
export interface StateChange {
  readonly sequence: number;
  readonly from: MessageState | null;
  readonly to: MessageState;
  readonly at: string;
  readonly error: Failure | null;
}

/** What a decision did to a message: the message before and after it, and the moves in between. */
export interface Step<M extends MessageHead = Message> {
  /** The same object as `message` when nothing was decided; null for a new message. */
  readonly before: M | null;
  readonly message: M;
  readonly changes: readonly StateChange[];
  /** What else the history should tell of the decision. */
  readonly remarks?: readonly Remark[];
}

/** A line of the history besides those of the moves. */
export interface Remark {
  readonly at: string;
  readonly kind: 'held' | 'settled' | 'callback' | 'provider_status' | 'fallback';
  /** The CloudEvents id of what it tells. */
  readonly eventId?: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** The move it brought about, which then has no line of its own. */
  readonly change?: StateChange | undefined;
}

export type Facts = Partial<
  Pick<Message, 'providerSid' | 'error' | 'attempt' | 'dueAt' | 'queue' | 'checkAt' | 'fallbackTaken' | 'fallbackAt'>
>;

/** What a message is known by to those who asked for it, in one string. */
export function naturalKey({ tenant, idempotencyKey }: Pick<Message, 'tenant' | 'idempotencyKey'>): string {
  return `${tenant}\0${idempotencyKey}`;
}

/** A new message; the state it begins in has none before it. */
export function begin(message: Message): Step {
  const { sequence, state, createdAt, error } = message;
  return { before: null, message, changes: [{ sequence, from: null, to: state, at: createdAt, error }] };
}

/** A new message that is over before it began; what else was decided of it is void. */
export function rejectNew(message: Message, error: Failure): Step {
  const over: Message = { ...message, state: 'rejected', sequence: 1, error, dueAt: null };
  return begin({ ...over, fallbackAt: fallbackAfter(over, { to: over.state, error }, over.createdAt) });
}

export function unchanged<M extends MessageHead>(message: M): Step<M> {
  return { before: message, message, changes: [] };
}

/**
 * Moves the message and notes the facts; where its machine forbids the move, nothing happens. A final state leaves
 * nothing to send and nothing to ask; one that is a failure calls for the next fallback at once.
 */
export function move<M extends MessageHead>(step: Step<M>, to: MessageState, at: string, facts: Facts = {}): Step<M> {
  const { before, message } = step;
  if (!canMove(message.state, to)) return step;
  const change = { sequence: message.sequence + 1, from: message.state, to, at, error: facts.error ?? null };
  return {
    before,
    message: {
      ...message,
      ...facts,
      ...(isFinal(to) && { dueAt: null, checkAt: null, fallbackAt: fallbackAfter(message, change, at) }),
      state: to,
      sequence: change.sequence,
      updatedAt: at,
    },
    changes: [...step.changes, change],
  };
}

/** Nobody is chased on another channel who must not be written to on this one. */
export function fallbackAfter(
  message: Pick<Message, 'fallback' | 'fallbackTaken'>,
  end: Pick<StateChange, 'to' | 'error'>,
  at: string,
): string | null {
  const wanted = failures.has(end.to) && end.error?.class !== 'compliance';
  return wanted && message.fallbackTaken < message.fallback.length ? at : null;
}

const failures: ReadonlySet<MessageState> = new Set(['undelivered', 'failed', 'expired', 'rejected']);

export function remark<M extends MessageHead>(step: Step<M>, line: Remark): Step<M> {
  return { ...step, remarks: [...(step.remarks ?? []), line] };
}

/** Notes facts that are no move. */
export function note<M extends MessageHead>(step: Step<M>, at: string, facts: Facts): Step<M> {
  const { before, message } = step;
  const known = (Object.keys(facts) as (keyof Facts)[]).every((name) => message[name] === facts[name]);
  return known ? step : { ...step, before, message: { ...message, ...facts, updatedAt: at } };
}
