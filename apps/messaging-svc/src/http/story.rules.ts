import type { Attempt } from '@signalbox/outbound';
import type { Message, StateChange } from '../message/message.ts';
import type { HistoryEntry, MessageStory, MessageSummary } from './message.schemas.ts';
import { type Line, waitingFor } from './waiting.rules.ts';

export interface StoredLine {
  readonly at: string;
  readonly kind: string;
  readonly detail: Record<string, unknown>;
}

export function summarise(message: Message): MessageSummary {
  return {
    messageId: message.id,
    idempotencyKey: message.idempotencyKey,
    channel: message.channel,
    to: message.to,
    from: message.from,
    messagingServiceSid: message.messagingServiceSid,
    lane: message.lane,
    state: message.state,
    sequence: message.sequence,
    provider: 'twilio',
    providerSid: message.providerSid,
    error: message.error,
    metadata: message.metadata,
    sendAt: message.sendAt,
    expiresAt: message.expiresAt,
    createdAt: message.createdAt,
    updatedAt: message.updatedAt,
  };
}

/** The whole story of a message, in the order in which it happened. */
export function tellStory(
  message: Message,
  redactedAt: string | null,
  attempts: readonly Attempt[],
  lines: readonly StoredLine[],
  line: Line,
): MessageStory {
  return {
    ...summarise(message),
    body: message.content.body,
    redactedAt,
    mediaUrls: [...message.content.mediaUrls],
    contentSid: message.content.contentSid,
    timeZone: message.timeZone,
    consent: message.consent,
    estimate: message.estimate,
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      state: attempt.state,
      startedAt: attempt.startedAt,
      finishedAt: attempt.finishedAt,
      leaseUntil: isOpen(attempt) ? attempt.leaseUntil : null,
      providerSid: attempt.providerSid,
      httpStatus: attempt.httpStatus,
      error: attempt.error,
    })),
    nextAttemptAt: message.dueAt,
    waiting: waitingFor(message, attempts, lines, line),
    traceId: message.traceparent.split('-')[1] ?? '',
    history: inOrder([requested(message), ...attempts.flatMap(tellAttempt), ...lines.flatMap(tellLines)]),
  };
}

function requested(message: Message): HistoryEntry {
  const detail = { idempotencyKey: message.idempotencyKey, channel: message.channel, lane: message.lane };
  return { at: message.createdAt, kind: 'request', summary: `request on lane ${message.lane}`, detail };
}

function tellAttempt(attempt: Attempt): HistoryEntry[] {
  const { number, httpStatus, providerSid, error } = attempt;
  const opened: HistoryEntry = {
    at: attempt.startedAt,
    kind: 'attempt',
    summary: `attempt ${number} by ${attempt.worker}`,
    detail: { number, worker: attempt.worker },
  };
  if (attempt.finishedAt === null) return [opened];
  const status = httpStatus === null ? '' : ` (HTTP ${httpStatus})`;
  const answer: HistoryEntry = {
    at: attempt.finishedAt,
    kind: 'answer',
    summary: `attempt ${number}: ${attempt.state.replace('_', ' ')}${status}${error ? `: ${error.title}` : ''}`,
    detail: { number, outcome: attempt.state, httpStatus, providerSid, error },
  };
  return [opened, answer];
}

/** A callback and the move it brought about are stored as one line. */
function tellLines({ at, kind, detail: { change, ...detail } }: StoredLine): HistoryEntry[] {
  const told = tellLine({ at, kind, detail });
  if (change === undefined) return [told];
  const { at: movedAt, ...move } = change as StateChange;
  return [told, tellLine({ at: movedAt, kind: 'state', detail: move })];
}

function tellLine({ at, kind, detail }: StoredLine): HistoryEntry {
  switch (kind) {
    case 'state':
      return { at, kind, summary: `${text(detail['from'], 'new')} → ${text(detail['to'])}`, detail };
    case 'callback':
      return { at, kind, summary: `callback ${text(detail['status'])}, ${text(detail['outcome'])}`, detail };
    case 'fallback':
      return { at, kind, summary: `fallback to ${text(detail['channel'])}`, detail };
    case 'in_doubt':
      return { at, kind, summary: `stays in doubt: ${text(detail['why'])}`, detail };
    case 'settled':
      return { at, kind, summary: `in doubt, settled as ${text(detail['as'])} by ${text(detail['by'])}`, detail };
    case 'held':
      return {
        at,
        kind,
        summary: `held until ${text(detail['until'])}: ${text(detail['reason']).replace('_', ' ')}`,
        detail,
      };
    default:
      return { at, kind: 'provider_status', summary: `asked: ${text(detail['status'])}`, detail };
  }
}

/** By time; at the same millisecond in the order of cause: asked, attempted, answered or told, moved. */
function inOrder(entries: HistoryEntry[]): HistoryEntry[] {
  const cause: Readonly<Record<HistoryEntry['kind'], number>> = {
    request: 0,
    attempt: 1,
    answer: 2,
    callback: 2,
    provider_status: 2,
    in_doubt: 2,
    settled: 2,
    fallback: 4,
    held: 4,
    state: 3,
  };
  return entries.sort((a, b) => (a.at === b.at ? cause[a.kind] - cause[b.kind] : a.at < b.at ? -1 : 1));
}

function isOpen(attempt: Attempt): boolean {
  return attempt.state === 'calling' || attempt.state === 'in_doubt';
}

function text(value: unknown, otherwise = '?'): string {
  return typeof value === 'string' ? value : otherwise;
}
