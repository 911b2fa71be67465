import type { Failure } from '@signalbox/contracts';
import type { Attempt } from '@signalbox/outbound';
import { defaultRetention, type RetentionPeriods } from '@signalbox/tenants';
import { DateTime, Duration } from 'luxon';
import { giveUp } from '../dispatch/dispatch.rules.ts';
import { isWithProvider } from '../email/email.state.ts';
import { type Email, move, type Step, unchanged } from '../email/email.ts';

/** What is older than these loses its content, and is deleted. */
export interface Cutoffs {
  readonly bodies: Date;
  readonly messages: Date;
}

/** @param periods undefined where the tenant file says nothing, or no longer knows the tenant */
export function cutoffsOf(periods: RetentionPeriods | undefined, now: Date): Cutoffs {
  const { bodies, messages } = periods ?? defaultRetention;
  const before = (period: string) =>
    DateTime.fromJSDate(now, { zone: 'utc' }).minus(Duration.fromISO(period)).toJSDate();
  return { bodies: before(bodies), messages: before(messages) };
}

/** Why nobody may send an email any more. */
export type EndedBy = 'an erasure' | 'the retention of the tenant';

/**
 * Ends an email that nobody may send any more: what waits is not sent, what is in doubt fails. One that SendGrid has, or that has
 * ended, stays as it is. Undefined while a call is under way for it, whose answer has to be waited for.
 */
export function end(
  email: Email,
  open: Attempt | undefined,
  by: EndedBy,
  now: Date,
): { step: Step; attempt: Attempt | null } | undefined {
  const step = unchanged(email);
  if (isWithProvider(email.state)) return { step, attempt: null };
  if (email.dueAt !== null) {
    const at = now.toISOString();
    const ended = by === 'an erasure' ? move(step, 'canceled', at) : move(step, 'expired', at, { error: outlived });
    return { step: ended, attempt: null };
  }
  return open?.state === 'in_doubt' ? giveUp(email, open, { as: 'failed', by }, now) : undefined;
}

const outlived: Failure = {
  code: 'expired',
  class: 'terminal',
  title: 'It waited for longer than the tenant keeps its emails',
  remedy: 'Look why it waited: GET /v1/emails/:id says so while it does; then send it under a new key',
};

/** What stands in the place of an address. */
export function erasedName(erasure: string): string {
  return `erased:${erasure}`;
}

export function isErased({ to }: Pick<Email, 'to'>): boolean {
  return to.startsWith('erased:');
}
