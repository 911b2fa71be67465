import { type SuppressionChanged, type SuppressionReason, type SuppressionState, topics } from '@signalbox/contracts';
import type { OutgoingEvent } from '@signalbox/persistence';
import { eventSource } from '../email/email.events.ts';

/** What a recipient may be left out of: all email, all bulk email, or the bulk email of one unsubscribe group. */
export const everything = '*';
export const allBulk = 'bulk';

export function groupScope(id: number): string {
  return `group:${id}`;
}

/** Undefined for a scope that is not a group's. */
export function groupOf(scope: string): number | undefined {
  const id = /^group:(\d+)$/.exec(scope)?.[1];
  return id === undefined ? undefined : Number(id);
}

export interface SuppressionKey {
  readonly tenant: string;
  /** An address in lower case. */
  readonly recipient: string;
  readonly scope: string;
}

/** Where a recipient stands in one scope, or stood after one change; times are ISO 8601 UTC strings with milliseconds. */
export interface Suppression extends SuppressionKey {
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  /** 0 while nothing was ever decided. */
  readonly sequence: number;
  readonly at: string;
  /** The last change SendGrid knows of; it is told the others. */
  readonly told: number;
}

/** What somebody asks for; it changes something only when the recipient stands otherwise. */
export interface SuppressionRequest extends SuppressionKey {
  readonly state: SuppressionState;
  readonly reason: SuppressionReason;
  readonly source: string | null;
  readonly at: string;
  /** It is SendGrid that says so: it need not be told, and what was decided here since `at` is newer. */
  readonly bySendgrid?: true;
}

/** Where the recipient stands after a request; undefined when that is where they stood before. */
export function decide(current: Suppression | undefined, request: SuppressionRequest): Suppression | undefined {
  const { bySendgrid, ...rest } = request;
  const before = current?.state ?? 'opted_in';
  if (request.state === before) return undefined;
  const decided = current !== undefined && current.sequence > 0;
  if (bySendgrid && decided && current.at >= request.at) return undefined;
  const sequence = (current?.sequence ?? 0) + 1;
  // There is nothing at SendGrid for all bulk email.
  const known = bySendgrid || request.scope === allBulk;
  return { ...rest, sequence, told: known ? sequence : (current?.told ?? 0) };
}

/** Applies requests in the order given; yields every change, oldest first. */
export function decideAll(
  current: ReadonlyMap<string, Suppression>,
  requests: readonly SuppressionRequest[],
): Suppression[] {
  const standing = new Map(current);
  return requests.flatMap((request) => {
    const key = keyOf(request);
    const changed = decide(standing.get(key), request);
    if (!changed) return [];
    standing.set(key, changed);
    return [changed];
  });
}

export function keyOf({ tenant, recipient, scope }: SuppressionKey): string {
  return [tenant, 'email', scope, recipient].join(':');
}

export function toSuppressionEvent(change: Suppression): OutgoingEvent {
  const key = keyOf(change);
  const { told: _, ...said } = change;
  return {
    topic: topics.suppressionEvents.name,
    key,
    event: {
      id: `${key}.${change.sequence}`,
      source: eventSource,
      type: 'suppression.changed.v1',
      time: change.at,
      data: { ...said, channel: 'email' } satisfies SuppressionChanged,
    },
  };
}
