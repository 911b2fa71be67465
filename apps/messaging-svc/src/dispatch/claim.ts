import type { Failure, Lane } from '@signalbox/contracts';
import type { Transaction } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { lastInbound } from '../content/last-inbound.store.ts';
import { type LastInbound, needsWindow } from '../content/whatsapp.rules.ts';
import { type Message, move, note, type Step, unchanged } from '../message/message.ts';
import { lockDue, lockExpiringInLine, save, waitingLines } from '../message/message.store.ts';
import {
  bucketKey,
  type Buckets,
  covers,
  type Quota,
  type Quotas,
  queueOf,
  quotasFor,
  quotasOfQueue,
  takeSlots,
} from '../quota/quota.rules.ts';
import { type BucketRef, bucketsSpent, lockBuckets } from '../quota/quota.store.ts';
import { suppress } from '../suppression/suppression.rules.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { holdBack } from '../schedule/release.rules.ts';
import { allot, type Contender, type TenantRoom, type Throttled } from './allot.rules.ts';
import type { Attempt } from './attempt.ts';
import { attemptsOpened } from './attempt.store.ts';
import { type DispatchPolicy, openAttempt } from './dispatch.rules.ts';

export interface Call {
  readonly message: Message;
  readonly attempt: Attempt;
  /** When the slots of its quotas begin, on the clock of `performance.now()`. */
  readonly startAt: number;
}

export interface ClaimRequest {
  readonly lanes: readonly Lane[];
  /** Messages to claim at most. */
  readonly places: number;
  readonly worker: string;
  readonly policy: DispatchPolicy;
  readonly quotas: (tenant: string) => Quotas;
  readonly room: (tenant: string) => TenantRoom;
  readonly tenant: (name: string) => Tenant | undefined;
  readonly random: () => number;
}

export interface Claim {
  readonly steps: readonly Step[];
  readonly calls: readonly Call[];
  readonly throttled: readonly Throttled[];
  /** Milliseconds until a line that has to wait may move on; Infinity when none does. */
  readonly moreInMs: number;
}

/** A claim looks at so many lines at most. */
const maxLines = 2_000;

/**
 * Claims due messages together with the slots of their quotas, in one transaction: opens an attempt each. Whoever locks
 * the buckets first is served first; the other replicas then see what is left. Lines whose quota is used up, or whose
 * account has no room, are passed over without touching a message of theirs.
 */
export async function claim(tx: Transaction, request: ClaimRequest): Promise<Claim> {
  const now = new Date();
  const lines = await waitingLines(tx, request.lanes, maxLines);
  const due = lines.filter(({ dueMs }) => dueMs <= now.getTime());
  const quotas = new Map(due.map(({ tenant }) => [tenant, request.quotas(tenant)]));
  const rooms = new Map(due.map(({ tenant }) => [tenant, request.room(tenant)]));
  let contenders = due
    .filter(({ tenant }) => (rooms.get(tenant)?.room ?? 0) > 0)
    .map((line): Contender => {
      return { line, quotas: quotasOfQueue(quotas.get(line.tenant) ?? new Map(), line.queue), most: Infinity };
    });
  rotate(contenders, request.random);

  const refs = bucketsOf(contenders);
  const { buckets, nowMs } =
    refs.length > 0 ? await lockBuckets(tx, refs) : { buckets: new Map() as Buckets, nowMs: 0 };
  const readAt = performance.now();
  const before = new Map(buckets);

  const decided: Decision[] = [];
  const throttled: Throttled[] = [];
  // A line may turn out shorter than its share: what it leaves over goes round once more.
  for (let round = 0; round < 2 && contenders.length > 0 && decided.length < request.places; round++) {
    const plan = allot(contenders, rooms, request.places - decided.length, new Map(buckets), nowMs);
    throttled.push(...plan.throttled);
    const messages = await lockDue(
      tx,
      plan.shares,
      now,
      decided.map(({ step }) => step.message.id),
    );
    // After the lock and in the same transaction: whatever opt-out is committed by now, this claim obeys.
    const optedOut = await suppressedAmong(tx, messages);
    const inbound = await lastInbound(tx, messages.filter(needsWindow), now);
    for (const message of messages) {
      decided.push(
        optedOut.has(message.id)
          ? { step: suppress(message, now), attempt: null, startMs: nowMs }
          : decide(message, inbound, quotas, buckets, nowMs, now, request),
      );
    }
    const asked = plan.shares.reduce((sum, { count }) => sum + count, 0);
    if (messages.length >= asked) break;
    contenders = longEnough(contenders, plan.shares, messages).filter(
      ({ line }) => !throttled.some((one) => one.line === line),
    );
    for (const { line, count } of plan.shares) {
      const room = rooms.get(line.tenant);
      if (room) rooms.set(line.tenant, { claimed: room.claimed + count, room: room.room - count });
    }
  }

  const steps = decided.map(({ step }) => step);
  const spent = refs.flatMap((ref) => {
    const bucket = buckets.get(bucketKey(ref.tenant, ref.scope));
    return bucket && bucket !== before.get(bucketKey(ref.tenant, ref.scope)) ? { ...ref, ...bucket } : [];
  });
  await save(tx, steps, [attemptsOpened(decided.flatMap(({ attempt }) => attempt ?? [])), bucketsSpent(spent)]);

  const later = lines.filter(({ dueMs }) => dueMs > now.getTime()).map(({ dueMs }) => dueMs - now.getTime());
  return {
    steps,
    calls: decided.flatMap(({ step, attempt, startMs }) =>
      attempt ? { message: step.message, attempt, startAt: readAt + (startMs - nowMs) } : [],
    ),
    throttled,
    moreInMs: Math.min(...later, ...throttled.map(({ untilMs }) => untilMs - nowMs), Infinity),
  };
}

interface Decision {
  readonly step: Step;
  readonly attempt: Attempt | null;
  readonly startMs: number;
}

/** Opens an attempt if the message's quotas have a slot each; a message that is in the wrong line is sent to the right one. */
function decide(
  message: Message,
  inbound: readonly LastInbound[],
  quotas: ReadonlyMap<string, Quotas>,
  buckets: Buckets,
  nowMs: number,
  now: Date,
  { worker, policy, tenant }: ClaimRequest,
): Decision {
  const opened = openAttempt(message, now, worker, policy);
  if (opened.attempt === null) return { ...opened, startMs: nowMs };
  const context = { now, tenant: tenant(message.tenant), lastInbound: inbound, marginMs: policy.leaseMs };
  const held = holdBack(message, context);
  if (held) return { step: held, attempt: null, startMs: nowMs };
  const inForce = quotas.get(message.tenant) ?? new Map<string, Quota>();
  const needed = quotasFor(inForce, message);
  const leave = covers(buckets, message.tenant, needed)
    ? takeSlots(buckets, message.tenant, needed, message.lane, nowMs)
    : undefined;
  if (leave?.ok) return { ...opened, startMs: leave.startMs };
  const step = note(unchanged(message), now.toISOString(), { queue: queueOf(inForce, message) });
  return { step, attempt: null, startMs: nowMs };
}

/** Lines that had as many messages as they were asked for. */
function longEnough(
  contenders: readonly Contender[],
  shares: ReturnType<typeof allot>['shares'],
  messages: readonly Message[],
): Contender[] {
  return contenders.filter(({ line }) => {
    const asked = shares.find((share) => share.line === line)?.count ?? 0;
    const got = messages.filter(
      ({ tenant, queue, lane }) => tenant === line.tenant && queue === line.queue && lane === line.lane,
    ).length;
    return asked === got;
  });
}

function bucketsOf(contenders: readonly Contender[]): BucketRef[] {
  const refs = new Map<string, BucketRef>();
  for (const { line, quotas } of contenders) {
    for (const { scope } of quotas) refs.set(bucketKey(line.tenant, scope), { tenant: line.tenant, scope });
  }
  return [...refs.values()];
}

/** So that among equals it is not always the same who comes first. */
function rotate(all: unknown[], random: () => number): void {
  all.push(...all.splice(0, Math.floor(random() * all.length)));
}

/** Rejects messages that would expire before the cap of their line lets them go, so that the sender hears of it now. */
export async function rejectOverCap(tx: Transaction, { line, untilMs }: Throttled, now: Date): Promise<Step[]> {
  const expiring = await lockExpiringInLine(tx, line, new Date(untilMs), 500);
  const steps = expiring.map((message) =>
    move(unchanged(message), 'rejected', now.toISOString(), { error: overQuota }),
  );
  await save(tx, steps);
  return steps;
}

const overQuota: Failure = {
  code: 'over_quota',
  class: 'rate',
  title: "The day's cap is reached and the message would expire before the next day begins",
  remedy: 'Raise the cap (PUT /v1/quotas/…), spread the traffic over senders, or allow the message more time',
};
