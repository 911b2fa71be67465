import { allBulk, keyOf, type Suppression, type SuppressionKey, type SuppressionRequest } from './suppression.rules.ts';

type Listed = SuppressionKey & Pick<Suppression, 'reason' | 'at'>;

export interface Drift {
  /** On a list of SendGrid and not on ours, the latest first. */
  readonly onlyAtSendgrid: readonly Listed[];
  /** On ours and on none of SendGrid, the latest first. */
  readonly onlyHere: readonly Listed[];
}

/** Where the lists have parted; `ours` are those who are opted out. There is nothing at SendGrid for all bulk email. */
export function driftBetween(ours: readonly Suppression[], theirs: readonly SuppressionRequest[]): Drift {
  const here = new Set(ours.map(keyOf));
  const there = new Set(theirs.map(keyOf));
  const foreign = new Map(theirs.filter((one) => !here.has(keyOf(one))).map((one) => [keyOf(one), one]));
  return {
    onlyAtSendgrid: [...foreign.values()].sort(latestFirst),
    onlyHere: ours.filter((one) => one.scope !== allBulk && !there.has(keyOf(one))).sort(latestFirst),
  };
}

function latestFirst(a: Listed, b: Listed): number {
  return Date.parse(b.at) - Date.parse(a.at);
}
