import {
  type AccountHold,
  type Attempt,
  type Buckets,
  type Quotas,
  quotasOfQueue,
  scopeKey,
  takeSlots,
} from '@signalbox/outbound';
import type { Email } from '../email/email.ts';
import { emailMachine } from '../email/email.state.ts';
import type { Waiting } from './email.schemas.ts';

/** What an email in line meets at this moment. */
export interface Line {
  readonly now: Date;
  readonly quotas: Quotas;
  /** The buckets of those quotas. */
  readonly buckets: Buckets;
  /** Whether this replica holds the tenant's account; others learn by themselves, within a call or two. */
  readonly hold: AccountHold | null;
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
function inLine(email: Email, dueAt: string, last: Attempt | undefined, { now, quotas, buckets, hold }: Line): Waiting {
  if (hold?.why === 'paused') {
    const summary = `SendGrid asked ${email.tenant}'s account to pause (429)`;
    return { reason: 'account_paused', summary, since: dueAt, until: iso(hold.untilMs), runbook: null };
  }
  if (hold) return refused(email, last, iso(hold.sinceMs), iso(hold.untilMs));
  const leave = takeSlots(
    new Map(buckets),
    email.tenant,
    quotasOfQueue(quotas, email.queue),
    email.lane,
    now.getTime(),
  );
  if (!leave.ok) {
    const { quota, why, untilMs } = leave;
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

const page = (alert: string) => `docs/runbooks/${alert}.md`;

function iso(ms: number): string {
  return new Date(Math.ceil(ms)).toISOString();
}
