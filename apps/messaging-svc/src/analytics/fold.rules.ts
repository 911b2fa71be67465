import type { Delta, Outcome } from '../message/count.rules.ts';
import type { Place } from './place.rules.ts';

export type Counts = Readonly<Record<Outcome, number>>;

/** A row of a rollup: what the messages of one period, sender and place did, per error code. */
export interface Rollup extends Place, Counts {
  readonly tenant: string;
  /** Start of the hour or of the UTC day, ISO 8601. */
  readonly at: string;
  readonly sender: string;
  readonly code: string;
}

const none: Counts = { handed_over: 0, delivered: 0, failed: 0, rejected: 0, expired: 0, canceled: 0 };

/** Adds deltas up per period, in the order of the rollup's key. */
export function rollUp(
  deltas: readonly Delta[],
  placeOf: (digits: string) => Place,
  startOf: (hour: string) => string,
): Rollup[] {
  const rollups = new Map<string, Rollup>();
  for (const { tenant, hour, sender, digits, code, outcome, count } of deltas) {
    const { country, prefix, carrier } = placeOf(digits);
    const row = { tenant, at: startOf(hour), prefix, sender, code, country, carrier };
    const key = Object.values(row).join('\0');
    const counts: Counts = rollups.get(key) ?? none;
    rollups.set(key, { ...none, ...counts, ...row, [outcome]: counts[outcome] + count });
  }
  return [...rollups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rollup]) => rollup);
}

export function dayOf(hour: string): string {
  return `${hour.slice(0, 10)}T00:00:00.000Z`;
}
