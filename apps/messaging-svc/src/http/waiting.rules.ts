import {
  type AccountHold,
  type Attempt,
  type Buckets,
  type Quotas,
  quotasOfQueue,
  scopeKey,
  takeSlots,
} from '@signalbox/outbound';
import type { Message } from '../message/message.ts';
import { isFinal } from '../message/message.state.ts';
import type { Waiting } from './message.schemas.ts';
import type { StoredLine } from './story.rules.ts';

/** What a message in line meets at this moment. */
export interface Line {
  readonly now: Date;
  readonly quotas: Quotas;
  /** The buckets of those quotas. */
  readonly buckets: Buckets;
  /** Messages of its line that are due before it; counted up to a thousand. */
  readonly ahead: number;
  /** Whether this replica holds the tenant's account; others learn by themselves, within a call or two. */
  readonly hold: AccountHold | null;
}

/** Why a message has not moved on, and until when at the earliest; null when it has ended. */
export function waitingFor(
  message: Message,
  attempts: readonly Attempt[],
  lines: readonly StoredLine[],
  line: Line,
): Waiting | null {
  if (isFinal(message.state)) return null;
  const last = attempts.at(-1);
  if (last && (last.state === 'calling' || last.state === 'in_doubt')) return forAnswer(last, lines, line.now);
  if (message.dueAt === null) return forProvider(message);
  return Date.parse(message.dueAt) > line.now.getTime()
    ? forItsTime(message, message.dueAt, last, lines)
    : inLine(message, message.dueAt, last, line);
}

function forAnswer(attempt: Attempt, lines: readonly StoredLine[], now: Date): Waiting {
  const { number, startedAt, finishedAt, leaseUntil, error } = attempt;
  if (attempt.state === 'calling' && leaseUntil > now.toISOString()) {
    const summary = `attempt ${number} is with the provider; without an answer it will be looked up`;
    return { reason: 'answer', summary, since: startedAt, until: leaseUntil, runbook: null };
  }
  const held = lines.findLast(({ kind, detail }) => kind === 'in_doubt' && detail['attempt'] === number);
  const why = held ? text(held.detail['why']) : (error?.title ?? 'the process that made it is gone');
  return {
    reason: 'in_doubt',
    summary: `nobody knows yet whether the provider took attempt ${number}: ${why}; it is looked up, not sent again`,
    since: finishedAt ?? leaseUntil,
    until: leaseUntil,
    runbook: page('SignalboxAttemptsInDoubt'),
  };
}

function forProvider({ state, updatedAt, checkAt }: Message): Waiting {
  const summary =
    checkAt === null
      ? `${state}: the provider says no more about it`
      : `${state}: a callback of the provider is to come; if none does, it is asked`;
  return { reason: 'provider', summary, since: updatedAt, until: checkAt, runbook: page('SignalboxCallbacksRefused') };
}

function forItsTime(message: Message, dueAt: string, last: Attempt | undefined, lines: readonly StoredLine[]): Waiting {
  const held = lines.findLast(({ kind, detail }) => kind === 'held' && detail['until'] === dueAt);
  if (held?.detail['reason'] === 'quiet_hours') {
    const summary = `quiet hours where the recipient is (${list(held.detail['zones'])})`;
    return { reason: 'quiet_hours', summary, since: held.at, until: dueAt, runbook: null };
  }
  if (held?.detail['reason'] === 'blocked_prefix') {
    const summary = `bulk to ${text(held.detail['prefix'])} is blocked: it looks like SMS pumping`;
    return { reason: 'blocked_prefix', summary, since: held.at, until: dueAt, runbook: page('SignalboxAnomalyOpen') };
  }
  if (last) {
    const status = last.httpStatus === null ? '' : `HTTP ${last.httpStatus}, `;
    const what = last.error ? `${status}${last.error.title}` : last.state.replace('_', ' ');
    return {
      reason: 'back_off',
      summary: `attempt ${last.number} did not get through (${what}); the next one is due then`,
      since: last.finishedAt ?? last.startedAt,
      until: dueAt,
      runbook: last.error?.runbook ?? page('SignalboxProviderErrors'),
    };
  }
  const summary = 'sendAt has not come yet';
  return { reason: 'scheduled', summary, since: message.createdAt, until: dueAt, runbook: null };
}

/** It is due: what holds its line up is asked for in the order in which a claim asks. */
function inLine(message: Message, dueAt: string, last: Attempt | undefined, line: Line): Waiting {
  const { hold, ahead } = line;
  if (hold?.why === 'paused') {
    const summary = `the provider asked ${message.tenant}'s account to pause (429)`;
    return { reason: 'account_paused', summary, since: dueAt, until: iso(hold.untilMs), runbook: providerErrors };
  }
  if (hold) return refused(message.tenant, iso(hold.sinceMs), iso(hold.untilMs));
  const quotas = quotasOfQueue(line.quotas, message.queue);
  const leave = takeSlots(new Map(line.buckets), message.tenant, quotas, message.lane, line.now.getTime());
  if (!leave.ok && leave.why === 'cap') {
    const summary = `the daily cap of ${scopeKey(leave.quota.scope)} is reached`;
    return { reason: 'daily_cap', summary, since: dueAt, until: iso(leave.untilMs), runbook: null };
  }
  const before = `${ahead >= countedAhead ? `${countedAhead} or more` : ahead} ahead of it`;
  const slowest = quotas
    .filter(({ budget }) => budget.intervalMs > 0)
    .sort((a, b) => b.budget.intervalMs - a.budget.intervalMs)[0];
  if (slowest) {
    const perSecond = Number((1000 / slowest.budget.intervalMs).toFixed(2));
    return {
      reason: 'quota',
      summary: `${scopeKey(slowest.scope)} may send ${perSecond} per second; ${before}`,
      since: dueAt,
      until: iso(line.now.getTime() + ahead * slowest.budget.intervalMs),
      runbook: null,
    };
  }
  if (last && wasRefusedCredentials(last)) return refused(message.tenant, last.finishedAt ?? dueAt, null);
  const summary = `due and not taken yet, ${before}; if that lasts, look at signalbox_messages_due and the logs of dispatch`;
  return { reason: 'in_line', summary, since: dueAt, until: null, runbook: page('SignalboxDispatchHangs') };
}

function refused(tenant: string, since: string, until: string | null): Waiting {
  const summary = `the provider refuses ${tenant}'s credentials; one message tries again from time to time, the others are held`;
  return { reason: 'credentials_refused', summary, since, until, runbook: page('SignalboxCredentialsRefused') };
}

/** This replica may have made no call since; the attempt says what another one met. */
function wasRefusedCredentials({ state, httpStatus, error }: Attempt): boolean {
  return state === 'deferred' && (httpStatus === 401 || error?.code === 20003);
}

/** Further ones ahead are not counted: the order of magnitude is what helps. */
export const countedAhead = 1_000;

const page = (alert: string) => `docs/runbooks/${alert}.md`;
const providerErrors = page('SignalboxProviderErrors');

function iso(ms: number): string {
  return new Date(Math.ceil(ms)).toISOString();
}

function list(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : '?';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '?';
}
