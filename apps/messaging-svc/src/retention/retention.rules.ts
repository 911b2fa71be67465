import { defaultRetention, type RetentionPeriods } from '@signalbox/tenants';
import { DateTime, Duration } from 'luxon';

/** What is older than these loses its body, and is deleted. */
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
