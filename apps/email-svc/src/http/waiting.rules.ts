import {
  type AccountHold,
  type Attempt,
  type Buckets,
  type Quotas,
  type Quota,
  scopeKey,
  takeWay,
  waysOfQueue,
} from '@signalbox/outbound';
import { streamQuota, valueOf } from '../deliverability/stream-quota.rules.ts';
import type { Stream } from '../deliverability/stream.state.ts';
import type { Email } from '../email/email.ts';
import { emailMachine } from '../email/email.state.ts';
import { isOfWarmup } from '../warmup/pool.rules.ts';
import type { Waiting } from './email.schemas.ts';

/** What an email in line meets at this moment. */
export interface Line {
  readonly now: Date;
  readonly quotas: Quotas;
  /** The buckets of those quotas. */
  readonly buckets: Buckets;
  /** Whether this replica holds the tenant's account; others learn by themselves, within a call or two. */
  readonly hold: AccountHold | null;
  /** What deliverability says of the email's stream to its mailbox provider; undefined where nothing is known of it. */
  readonly stream?: Stream | undefined;
}

/** Why an email has not moved on, and until when at the earliest; null when nothing more is expected. */
export function waitingFor(email: Email, attempts: readonly Attempt[], line: Line): Waiting | null {
  if (emailMachine[email.state].progress >= emailMachine.delivered.progress) return null;
  const last = attempts.at(-1);
  if (email.state === 'submitting' && email.dueAt === null) return last ? forAnswer(last, line.now) : null;
  if (email.dueAt === null) return forProvider(email);
  return Date.parse(email.dueAt) > line.now.getTime()
    ? forItsTime(email, email.dueAt, last)
    : inLine(email, email.dueAt, last, line);
}

function forAnswer({ number, state, startedAt, leaseUntil, finishedAt, error }: Attempt, now: Date): Waiting {
  if (state === 'calling' && leaseUntil > now.toISOString()) {
    const summary = `attempt ${number} is with the provider; without an answer it waits for an event`;
    return { reason: 'answer', summary, since: startedAt, until: leaseUntil, runbook: null };
  }
  const why = error?.title ?? 'the process that made it is gone';
  return {
    reason: 'in_doubt',
    summary: `nobody knows yet whether SendGrid took attempt ${number}: ${why}; an event tells, or the tenant's policy decides`,
    since: finishedAt ?? leaseUntil,
    until: null,
    runbook: page('SignalboxEmailsInDoubt'),
  };
}

function forProvider({ state, updatedAt }: Email): Waiting {
  const summary = `${state}: an event of SendGrid is to come; it cannot be asked`;
  return { reason: 'provider', summary, since: updatedAt, until: null, runbook: page('SignalboxCallbacksRefused') };
}

function forItsTime(email: Email, dueAt: string, last: Attempt | undefined): Waiting {
  if (!last) {
    const summary = 'sendAt has not come yet';
    return { reason: 'scheduled', summary, since: email.createdAt, until: dueAt, runbook: null };
  }
  const status = last.httpStatus === null ? '' : `HTTP ${last.httpStatus}, `;
  return {
    reason: 'back_off',
    summary: `attempt ${last.number} did not get through (${status}${last.error?.title ?? last.state}); the next one is due then`,
    since: last.finishedAt ?? last.startedAt,
    until: dueAt,
    runbook: last.error?.runbook ?? null,
  };
}

/** It is due: what holds its line up is asked for in the order in which a claim asks. */
function inLine(
  email: Email,
  dueAt: string,
  last: Attempt | undefined,
  { now, quotas, buckets, hold, stream }: Line,
): Waiting {
  if (hold?.why === 'paused') {
    const summary = `SendGrid asked ${email.tenant}'s account to pause (429)`;
    return { reason: 'account_paused', summary, since: dueAt, until: iso(hold.untilMs), runbook: null };
  }
  if (hold) return refused(email, last, iso(hold.sinceMs), iso(hold.untilMs));
  if (stream?.state === 'stopped' && isHeldBack(email, stream, quotas)) return streamStopped(stream);
  const leave = takeWay(new Map(buckets), email.tenant, waysOfQueue(quotas, email.queue), email.lane, now.getTime());
  if (!leave.ok) {
    const { quota, why, untilMs } = leave;
    if (stream && quota.scope.kind === streamQuota.name) return streamThrottled(stream, iso(untilMs));
    if (isOfWarmup(quota)) return warmingUp(quota, dueAt, iso(untilMs));
    const summary =
      why === 'cap'
        ? `the daily cap of ${scopeKey(quota.scope)} is reached`
        : `${scopeKey(quota.scope)} has no free slot`;
    return { reason: why === 'cap' ? 'daily_cap' : 'quota', summary, since: dueAt, until: iso(untilMs), runbook: null };
  }
  if (last?.state === 'deferred' && (last.httpStatus === 401 || last.httpStatus === 403)) {
    return refused(email, last, last.finishedAt ?? dueAt, null);
  }
  const summary = 'due and not taken yet; if that lasts, look at signalbox_emails_due and the logs of dispatch';
  return { reason: 'in_line', summary, since: dueAt, until: null, runbook: page('SignalboxServiceDown') };
}

function refused({ tenant }: Email, last: Attempt | undefined, since: string, until: string | null): Waiting {
  const what = last?.error?.title ?? "SendGrid refuses the tenant's key";
  const summary = `${what}; one email of ${tenant} tries again from time to time, the others are held`;
  return { reason: 'credentials_refused', summary, since, until, runbook: page('SignalboxEmailCredentialsRefused') };
}

function warmingUp({ scope, limits }: Quota, since: string, until: string): Waiting {
  const [pool, provider] = scope.value.split('/');
  const room = limits.dailyCap ? `its ${limits.dailyCap} emails of today` : 'none today, by its plan or an operator';
  const summary = `the IP pool ${pool} warms up and takes ${room}${provider ? ` to ${provider}` : ''}; nothing takes the rest`;
  return { reason: 'warm_up', summary, since, until, runbook: page('SignalboxEmailWarmupHolds') };
}

/** Whether its stream has a quota of deliverability, which no critical email falls under. */
function isHeldBack({ lane }: Email, stream: Stream, quotas: Quotas): boolean {
  return lane !== 'critical' && quotas.has(scopeKey({ kind: streamQuota.name, value: valueOf(stream) }));
}

function streamStopped(stream: Stream): Waiting {
  const { by, why, since, until } = stream;
  const summary =
    stream.reason === 'operator'
      ? `${nameOf(stream)} is stopped by ${by ?? 'an operator'}: ${why ?? ''}; it waits until that is lifted`
      : `${nameOf(stream)} is stopped: ${tooMuch(stream)}; it waits until the rate is better, or the stop is lifted`;
  return { reason: 'stream_stopped', summary, since, until, runbook: page('SignalboxEmailStreamStopped') };
}

function streamThrottled(stream: Stream, until: string): Waiting {
  const summary = `${nameOf(stream)} goes slower: ${tooMuch(stream)}`;
  return {
    reason: 'stream_throttled',
    summary,
    since: stream.since,
    until,
    runbook: page('SignalboxEmailComplaints'),
  };
}

function nameOf({ stream, provider }: Stream): string {
  return `${stream} email to ${provider}`;
}

function tooMuch({ reason, rate, volume, threshold }: Stream): string {
  const percent = (share: number) => `${Number((share * 100).toFixed(2))} %`;
  return `${reason} were ${percent(rate)} of ${volume}, and ${percent(threshold)} is too much`;
}

const page = (alert: string) => `docs/runbooks/${alert}.md`;

function iso(ms: number): string {
  return new Date(Math.ceil(ms)).toISOString();
}
