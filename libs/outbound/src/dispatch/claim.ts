import type { Lane } from '@signalbox/contracts';
import type { Transaction } from '@signalbox/persistence';
import {
  bucketKey,
  type Buckets,
  covers,
  type Quota,
  type Quotas,
  queueOfWays,
  quotasFor,
  takeWay,
  waysOfQueue,
} from '../quota/quota.rules.ts';
import { type BucketRef, bucketsSpent, lockBuckets } from '../quota/quota.store.ts';
import { allot, type Contender, type Share, type TenantRoom, type Throttled } from './allot.rules.ts';
import type { Item } from './item.ts';
import { lockDue, waitingLines } from './line.store.ts';
import type { Call, Decision, Outgoing } from './outgoing.ts';

export interface ClaimRequest {
  readonly lanes: readonly Lane[];
  /** Items to claim at most. */
  readonly places: number;
  readonly worker: string;
  readonly quotas: (tenant: string) => Quotas;
  readonly room: (tenant: string) => TenantRoom;
  readonly random: () => number;
}

export interface Claim<I extends Item> {
  readonly calls: readonly Call<I>[];
  /** Whether anything was done to any item. */
  readonly changed: boolean;
  readonly throttled: readonly Throttled[];
  /** Milliseconds until a line that has to wait may move on; Infinity when none does. */
  readonly moreInMs: number;
}

/** A claim looks at so many lines at most. */
const maxLines = 2_000;

/**
 * Claims due items together with the slots of their quotas, in one transaction: opens an attempt each. Whoever locks the
 * buckets first is served first; the other replicas then see what is left. Lines whose quota is used up, or whose account
 * has no room, are passed over without touching an item of theirs.
 */
export async function claim<I extends Item, D extends Decision<I>>(
  tx: Transaction,
  outgoing: Outgoing<I, D>,
  request: ClaimRequest,
): Promise<Claim<I>> {
  const now = new Date();
  const lines = await waitingLines(tx, outgoing.table.name, request.lanes, maxLines);
  const due = lines.filter(({ dueMs }) => dueMs <= now.getTime());
  const quotas = new Map(due.map(({ tenant }) => [tenant, request.quotas(tenant)]));
  const rooms = new Map(due.map(({ tenant }) => [tenant, request.room(tenant)]));
  let contenders = due
    .filter(({ tenant }) => (rooms.get(tenant)?.room ?? 0) > 0)
    .map((line): Contender => {
      return { line, ways: waysOfQueue(quotas.get(line.tenant) ?? new Map(), line.queue), most: Infinity };
    });
  rotate(contenders, request.random);

  const refs = bucketsOf(contenders);
  const { buckets, nowMs } =
    refs.length > 0 ? await lockBuckets(tx, refs) : { buckets: new Map() as Buckets, nowMs: 0 };
  const readAt = performance.now();
  const before = new Map(buckets);

  const claimed: Claimed<I, D>[] = [];
  const throttled: Throttled[] = [];
  // A line may turn out shorter than its share: what it leaves over goes round once more.
  for (let round = 0; round < 2 && contenders.length > 0 && claimed.length < request.places; round++) {
    const plan = allot(contenders, rooms, request.places - claimed.length, new Map(buckets), nowMs);
    throttled.push(...plan.throttled);
    const items = await lockDue(
      tx,
      outgoing.table,
      plan.shares,
      now,
      claimed.map(({ was }) => was.id),
    );
    const decisions = await outgoing.decide(tx, items, now, request.worker);
    for (const [index, was] of items.entries()) {
      const decision = decisions[index];
      if (!decision) throw new Error('decide must answer for each item');
      claimed.push({ was, ...pace(outgoing, was, decision, quotas, buckets, nowMs, now) });
    }
    const asked = plan.shares.reduce((sum, { count }) => sum + count, 0);
    if (items.length >= asked) break;
    contenders = longEnough(contenders, plan.shares, items).filter(
      ({ line }) => !throttled.some((one) => one.line === line),
    );
    for (const { line, count } of plan.shares) {
      const room = rooms.get(line.tenant);
      if (room) rooms.set(line.tenant, { claimed: room.claimed + count, room: room.room - count });
    }
  }

  const spent = refs.flatMap((ref) => {
    const bucket = buckets.get(bucketKey(ref.tenant, ref.scope));
    return bucket && bucket !== before.get(bucketKey(ref.tenant, ref.scope)) ? { ...ref, ...bucket } : [];
  });
  await outgoing.save(
    tx,
    claimed.map(({ decision }) => decision),
    [bucketsSpent(spent)],
  );

  const later = lines.filter(({ dueMs }) => dueMs > now.getTime()).map(({ dueMs }) => dueMs - now.getTime());
  return {
    calls: claimed.flatMap(({ decision: { item, attempt }, startMs }) =>
      attempt ? { item, attempt, startAt: readAt + (startMs - nowMs) } : [],
    ),
    changed: claimed.some(({ was, decision }) => decision.item !== was),
    throttled,
    moreInMs: Math.min(...later, ...throttled.map(({ untilMs }) => untilMs - nowMs), Infinity),
  };
}

interface Claimed<I extends Item, D extends Decision<I>> {
  readonly was: I;
  readonly decision: D;
  readonly startMs: number;
}

/**
 * Lets a decided call be made by the first way whose quotas have a slot each; an item that is in the wrong line is sent to the
 * right one.
 */
function pace<I extends Item, D extends Decision<I>>(
  outgoing: Outgoing<I, D>,
  was: I,
  decision: D,
  quotas: ReadonlyMap<string, Quotas>,
  buckets: Buckets,
  nowMs: number,
  now: Date,
): { decision: D; startMs: number } {
  if (decision.attempt === null) return { decision, startMs: nowMs };
  const inForce = quotas.get(was.tenant) ?? new Map<string, Quota>();
  const ways = outgoing.ways?.(was, inForce) ?? [was];
  const needed = ways.map((way) => quotasFor(outgoing.kinds, inForce, way));
  const leave = needed.every((quotas) => covers(buckets, was.tenant, quotas))
    ? takeWay(buckets, was.tenant, needed, was.lane, nowMs)
    : undefined;
  if (!leave?.ok) {
    return { decision: outgoing.moveTo(was, queueOfWays(outgoing.kinds, inForce, ways), now), startMs: nowMs };
  }
  const way = ways[leave.way] ?? was;
  return { decision: outgoing.goBy?.(decision, way, leave.full) ?? decision, startMs: leave.startMs };
}

/** Lines that had as many items as they were asked for. */
function longEnough(contenders: readonly Contender[], shares: readonly Share[], items: readonly Item[]): Contender[] {
  return contenders.filter(({ line }) => {
    const asked = shares.find((share) => share.line === line)?.count ?? 0;
    const got = items.filter(
      ({ tenant, queue, lane }) => tenant === line.tenant && queue === line.queue && lane === line.lane,
    ).length;
    return asked === got;
  });
}

function bucketsOf(contenders: readonly Contender[]): BucketRef[] {
  const refs = new Map<string, BucketRef>();
  for (const { line, ways } of contenders) {
    for (const { scope } of ways.flat()) refs.set(bucketKey(line.tenant, scope), { tenant: line.tenant, scope });
  }
  return [...refs.values()];
}

/** So that among equals it is not always the same who comes first. */
function rotate(all: unknown[], random: () => number): void {
  all.push(...all.splice(0, Math.floor(random() * all.length)));
}
