import type { Lane } from '@signalbox/contracts';
import { type Buckets, type Quota, takeWay } from '../quota/quota.rules.ts';
import { lanes } from './lane.rules.ts';

/** What one tenant has in one lane under the same quotas, waiting in the order in which it is due. */
export interface WaitingLine {
  readonly tenant: string;
  readonly queue: string;
  readonly lane: Lane;
  /** When its first item is due, epoch milliseconds. */
  readonly dueMs: number;
}

/** A line and what bounds it. */
export interface Contender {
  readonly line: WaitingLine;
  /** The quotas of each way its items may go, the best first. */
  readonly ways: readonly (readonly Quota[])[];
  /** Items to take at most. */
  readonly most: number;
}

export interface TenantRoom {
  /** Items of the tenant that are claimed and not settled. */
  readonly claimed: number;
  /** How many more may be. */
  readonly room: number;
}

/** A line that has to wait for a quota. */
export interface Throttled {
  readonly line: WaitingLine;
  readonly quota: Quota;
  readonly why: 'rate' | 'cap';
  readonly untilMs: number;
}

export interface Share {
  readonly line: WaitingLine;
  readonly count: number;
}

/**
 * Shares free places among waiting lines. The more urgent lane is served first; inside a lane each place goes to the tenant
 * that has the fewest items under way, so however long a line is, the others get their part; a tenant's own lines take
 * turns. A line gets no more than its quotas have slots for. Takes the slots out of `buckets`.
 */
export function allot(
  contenders: readonly Contender[],
  tenants: ReadonlyMap<string, TenantRoom>,
  places: number,
  buckets: Buckets,
  nowMs: number,
): { shares: Share[]; throttled: Throttled[] } {
  const given = new Map<string, number>();
  const counts = new Map<WaitingLine, number>();
  const throttled: Throttled[] = [];
  let free = places;

  const load = (tenant: string) => (tenants.get(tenant)?.claimed ?? 0) + (given.get(tenant) ?? 0);
  const hasRoom = (tenant: string) => (tenants.get(tenant)?.room ?? 0) > (given.get(tenant) ?? 0);

  for (const lane of lanes) {
    let open = contenders.filter(({ line }) => line.lane === lane);
    while (free > 0) {
      open = open.filter(({ line, most }) => hasRoom(line.tenant) && (counts.get(line) ?? 0) < most);
      const next = leastServed(open, ({ line }) => [load(line.tenant), counts.get(line) ?? 0]);
      if (!next) break;
      const { line, ways } = next;
      const leave = takeWay(buckets, line.tenant, ways, lane, nowMs);
      if (!leave.ok) {
        throttled.push({ line, quota: leave.quota, why: leave.why, untilMs: leave.untilMs });
        open = open.filter((other) => other !== next);
        continue;
      }
      counts.set(line, (counts.get(line) ?? 0) + 1);
      given.set(line.tenant, (given.get(line.tenant) ?? 0) + 1);
      free--;
    }
  }
  return { shares: [...counts].map(([line, count]) => ({ line, count })), throttled };
}

function leastServed<T>(all: readonly T[], served: (one: T) => readonly [number, number]): T | undefined {
  let least: { one: T; served: readonly [number, number] } | undefined;
  for (const one of all) {
    const mine = served(one);
    if (!least || mine[0] < least.served[0] || (mine[0] === least.served[0] && mine[1] < least.served[1])) {
      least = { one, served: mine };
    }
  }
  return least?.one;
}
