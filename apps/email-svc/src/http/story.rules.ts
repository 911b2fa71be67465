import type { Attempt } from '@signalbox/outbound';
import type { Email, StateChange } from '../email/email.ts';
import type { EmailStory, EmailSummary, HistoryEntry } from './email.schemas.ts';
import { type Line, waitingFor } from './waiting.rules.ts';

export interface StoredLine {
  readonly at: string;
  readonly kind: string;
  readonly detail: Record<string, unknown>;
}

export function summarise(email: Email): EmailSummary {
  return {
    emailId: email.id,
    idempotencyKey: email.idempotencyKey,
    to: email.to,
    from: email.from,
    subject: email.subject,
    templateId: email.templateId,
    lane: email.lane,
    state: email.state,
    sequence: email.sequence,
    provider: 'sendgrid',
    providerSid: email.providerSid,
    error: email.error,
    opens: email.opens,
    machineOpens: email.machineOpens,
    clicks: email.clicks,
    correlationId: email.correlationId,
    metadata: email.metadata,
    sendAt: email.sendAt,
    expiresAt: email.expiresAt,
    createdAt: email.createdAt,
    updatedAt: email.updatedAt,
  };
}

/** The whole story of an email, in the order in which it happened. */
export function tellStory(
  email: Email,
  attempts: readonly Attempt[],
  lines: readonly StoredLine[],
  line: Line,
): Omit<EmailStory, 'redactedAt'> {
  return {
    ...summarise(email),
    categories: [...email.categories],
    unsubscribeGroup: email.unsubscribeGroup,
    ipPool: email.ipPool,
    pool: email.pool,
    attempts: attempts.map(({ number, state, startedAt, finishedAt, providerSid, httpStatus, error }) => {
      return { number, state, startedAt, finishedAt, providerSid, httpStatus, error };
    }),
    nextAttemptAt: email.dueAt,
    waiting: waitingFor(email, attempts, line),
    traceId: email.traceparent.split('-')[1] ?? '',
    history: inOrder([requested(email), ...attempts.flatMap(tellAttempt), ...lines.flatMap(tellLines)]),
  };
}

function requested(email: Email): HistoryEntry {
  const detail = { idempotencyKey: email.idempotencyKey, lane: email.lane };
  return { at: email.createdAt, kind: 'request', summary: `request on lane ${email.lane}`, detail };
}

function tellAttempt({ number, worker, startedAt, finishedAt, state, httpStatus, providerSid, error }: Attempt) {
  const opened: HistoryEntry = {
    at: startedAt,
    kind: 'attempt',
    summary: `attempt ${number} by ${worker}`,
    detail: { number, worker },
  };
  if (finishedAt === null) return [opened];
  const status = httpStatus === null ? '' : ` (HTTP ${httpStatus})`;
  const answer: HistoryEntry = {
    at: finishedAt,
    kind: 'answer',
    summary: `attempt ${number}: ${state.replace('_', ' ')}${status}${error ? `: ${error.title}` : ''}`,
    detail: { number, outcome: state, httpStatus, providerSid, error },
  };
  return [opened, answer];
}

/** An event and the move it brought about are stored as one line. */
function tellLines({ at, kind, detail: { change, ...detail } }: StoredLine): HistoryEntry[] {
  const told = tellLine({ at, kind, detail });
  if (change === undefined) return [told];
  const { at: movedAt, ...move } = change as StateChange;
  return [told, tellLine({ at: movedAt, kind: 'state', detail: move })];
}

function tellLine({ at, kind, detail }: StoredLine): HistoryEntry {
  switch (kind) {
    case 'callback': {
      const why = [detail['type'], detail['reason'] ?? detail['response']].filter((one) => typeof one === 'string');
      const said = why.length > 0 ? ` (${why.join(': ')})` : '';
      return { at, kind, summary: `SendGrid says ${text(detail['event'])}${said}: ${text(detail['outcome'])}`, detail };
    }
    case 'settled':
      return { at, kind, summary: `in doubt no more: ${text(detail['as'])}, by ${text(detail['by'])}`, detail };
    default: {
      const { from, to, error } = detail as unknown as StateChange;
      const way = from === null ? to : `${from} → ${to}`;
      return { at, kind: 'state', summary: error ? `${way}: ${error.title}` : way, detail };
    }
  }
}

/** By time; what happened in the same millisecond stays as it was written. */
function inOrder(entries: readonly HistoryEntry[]): HistoryEntry[] {
  return [...entries].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '?';
}
