import { addTraffic, type Counts, usualOf, without } from './decay.rules.ts';
import { type Sign, signsOfPrefix, type Traffic, unconvertedShare } from './guard.rules.ts';
import { type Level, type Prefix, prefixesAbove } from './prefix.rules.ts';

/** A tenant's prefix, as the key of a map. */
export const prefixKey = (tenant: string, prefix: string) => `${tenant} ${prefix}`;

/** Prefixes that stand apart: blocked by the guard, or freed by an administrator. What is under them counts for nothing wider. */
export interface Apart {
  /** Keys of prefixes. */
  readonly blocked: ReadonlySet<string>;
  readonly freed: ReadonlySet<string>;
}

export interface WidePrefix extends Prefix {
  readonly tenant: string;
  readonly level: Exclude<Level, 'block'>;
}

/** The wider prefixes a block of numbers counts for: up to the first that stands apart. */
export function countedFor(tenant: string, block: string, apart: Apart): WidePrefix[] {
  const isApart = (prefix: string) => {
    const key = prefixKey(tenant, prefix);
    return apart.blocked.has(key) || apart.freed.has(key);
  };
  const counted: WidePrefix[] = [];
  if (isApart(block)) return counted;
  for (const { level, prefix } of prefixesAbove(block)) {
    if (level === 'block') continue;
    counted.push({ tenant, level, prefix });
    if (isApart(prefix)) break;
  }
  return counted;
}

/** Traffic by prefix. */
export interface Sum {
  readonly prefix: WidePrefix;
  /** Some block of numbers under it. */
  readonly block: string;
  readonly traffic: Traffic;
}

/** Adds up what happened in blocks of numbers, for each prefix they count for. */
export function sumUp(
  deltas: readonly ({ tenant: string; block: string } & Traffic)[],
  apart: Apart,
): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const { tenant, block, started, approved } of deltas) {
    for (const prefix of countedFor(tenant, block, apart)) {
      const key = prefixKey(tenant, prefix.prefix);
      const traffic = sums.get(key)?.traffic ?? { started: 0, approved: 0 };
      sums.set(key, {
        prefix,
        block,
        traffic: { started: traffic.started + started, approved: traffic.approved + approved },
      });
    }
  }
  return sums;
}

export interface Pumped extends Traffic {
  readonly prefix: WidePrefix;
  readonly signs: readonly Sign[];
  readonly usualShare: number;
}

/**
 * Finds the prefixes that look pumped, the narrowest that explain it: what one explains is taken out of those above it
 * before they are looked at.
 *
 * @param counts as they are now, of all prefixes that had traffic; taken-out counts are written back into it
 * @param isHome whether the tenant has senders in the country of a block of numbers
 */
export function findPumped(
  sums: ReadonlyMap<string, Sum>,
  counts: Map<string, Counts>,
  apart: Apart,
  isHome: (tenant: string, block: string) => boolean,
): Pumped[] {
  const pumped: Pumped[] = [];
  const narrowestFirst = [...sums.values()].sort((a, b) => b.prefix.prefix.length - a.prefix.prefix.length);
  for (const { prefix, block } of narrowestFirst) {
    const key = prefixKey(prefix.tenant, prefix.prefix);
    const known = counts.get(key);
    if (!known || apart.blocked.has(key) || apart.freed.has(key)) continue;
    const blockedBelow =
      [...apart.blocked].filter((other) => other.startsWith(key)).length +
      pumped.filter((other) => isBelow(other.prefix, prefix)).length;
    const usual = usualOf(known);
    const signs = signsOfPrefix({
      level: prefix.level,
      recent: known.recent,
      usual,
      blockedBelow,
      isHome: isHome(prefix.tenant, block),
    });
    if (signs.length === 0) continue;
    pumped.push({ prefix, signs, ...known.recent, usualShare: unconvertedShare(usual) });
    for (const { prefix: wider } of narrowestFirst.filter((other) => isBelow(prefix, other.prefix))) {
      const widerKey = prefixKey(wider.tenant, wider.prefix);
      const widerCounts = counts.get(widerKey);
      if (widerCounts) counts.set(widerKey, without(widerCounts, known));
    }
  }
  return pumped;
}

function isBelow(narrow: WidePrefix, wide: WidePrefix): boolean {
  return (
    narrow.tenant === wide.tenant && narrow.prefix.length > wide.prefix.length && narrow.prefix.startsWith(wide.prefix)
  );
}

/** The fading counts of single starts, oldest first. */
export function countsOf(starts: readonly { at: Date; approved: boolean }[], now: Date): Counts {
  const counts = starts.reduce<Counts | undefined>(
    (sum, { at, approved }) => addTraffic(sum, { started: 1, approved: approved ? 1 : 0 }, at),
    undefined,
  );
  return addTraffic(counts, { started: 0, approved: 0 }, now);
}
