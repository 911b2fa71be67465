import type { Failure } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import { type LastInbound, windowFault } from '../content/whatsapp.rules.ts';
import { type Message, move, note, remark, type Remark, type Step, unchanged } from '../message/message.ts';
import { release } from './quiet-hours.rules.ts';

export interface ReleaseContext {
  readonly now: Date;
  readonly tenant: Tenant | undefined;
  readonly lastInbound: readonly LastInbound[];
  /** How long after `now` the call may still be made. */
  readonly marginMs: number;
}

/** What stands against handing over a message that is due: it waits, or it ends. Undefined when it may go. */
export function holdBack(message: Message, { now, tenant, lastInbound, marginMs }: ReleaseContext): Step | undefined {
  const at = now.toISOString();
  const free = release(message, now, tenant?.quietHours, marginMs);
  if (free.kind === 'never') return move(unchanged(message), 'rejected', at, { error: alwaysQuiet });
  if (free.time > now) {
    const dueAt = free.time.toISOString();
    if (message.expiresAt !== null && message.expiresAt <= dueAt) {
      return move(unchanged(message), 'expired', at, { error: expiresInQuietHours });
    }
    return remark(note(unchanged(message), at, { dueAt }), quietRemark(at, dueAt, free.zones));
  }
  const closed = windowFault(message, lastInbound, now);
  return closed && move(unchanged(message), 'rejected', at, { error: closed });
}

export function quietRemark(at: string, until: string, zones: readonly string[]): Remark {
  return { at, kind: 'held', detail: { reason: 'quiet_hours', until, zones } };
}

export const expiresInQuietHours: Failure = {
  code: 'expires_in_quiet_hours',
  class: 'terminal',
  title: 'It is quiet hours where the recipient is, and the message expires before they end',
  remedy: 'Allow more time, or use a lane that is exempt from quiet hours for what cannot wait',
};

export const alwaysQuiet: Failure = {
  code: 'always_quiet',
  class: 'configuration',
  title: 'The number may be in so many time zones that it is quiet hours in one of them at any time',
  remedy: "Give the recipient's timeZone with the request",
};
