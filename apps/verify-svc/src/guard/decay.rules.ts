import type { Traffic } from './guard.rules.ts';

/**
 * Counts over sliding windows without buckets: what was counted fades with its age, so a count is one number that stands for
 * about the window before it, and old traffic needs no clearing away.
 */

const hour = 3_600_000;

/** Of what is recent; a verification counts a third after as long. */
export const recentMs = hour;
const usualMs = 7 * 24 * hour;

/** Counts of a prefix, as they were at a time. */
export interface Counts {
  readonly recent: Traffic;
  /** Of the days before, the recent included. */
  readonly long: Traffic;
  /** ISO 8601 */
  readonly at: string;
}

const none: Traffic = { started: 0, approved: 0 };

/** Counts at a later time, with what has happened since. */
export function addTraffic(counts: Counts | undefined, traffic: Traffic, now: Date): Counts {
  const passed = counts ? Math.max(0, now.getTime() - Date.parse(counts.at)) : 0;
  return {
    recent: plus(fade(counts?.recent ?? none, Math.exp(-passed / recentMs)), traffic),
    long: plus(fade(counts?.long ?? none, Math.exp(-passed / usualMs)), traffic),
    at: now.toISOString(),
  };
}

/** Counts without what belongs to a prefix under theirs; both at the same time. */
export function without(counts: Counts, taken: Counts): Counts {
  return {
    ...counts,
    recent: minus(counts.recent, taken.recent),
    long: minus(counts.long, taken.long),
  };
}

/** What is usual in as long a time as `recent` stands for. */
export function usualOf({ recent, long }: Counts): Traffic {
  return fade(minus(long, recent), recentMs / usualMs);
}

function fade({ started, approved }: Traffic, factor: number): Traffic {
  return { started: started * factor, approved: approved * factor };
}

function plus(a: Traffic, b: Traffic): Traffic {
  return { started: Math.max(0, a.started + b.started), approved: Math.max(0, a.approved + b.approved) };
}

function minus(a: Traffic, b: Traffic): Traffic {
  return plus(a, fade(b, -1));
}
