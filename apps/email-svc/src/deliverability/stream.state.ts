import type { EmailDeliverability } from '@signalbox/tenants';
import { Duration } from 'luxon';
import { add, type Counts, hourOf, noCounts, type StreamKey, subtract } from './count.rules.ts';

/** `throttled`: goes slower; `stopped`: waits. */
export type StreamState = 'ok' | 'throttled' | 'stopped';

/** What went too far, or who wanted it. */
export type Reason = Measure | 'operator';
export type Measure = (typeof measures)[number];

const measures = ['complaints', 'bounces', 'blocks'] as const;

/** What a stream is allowed at this moment, and why. */
export interface Stream extends StreamKey {
  readonly state: StreamState;
  /** Names this throttling or stop, null when there is none. */
  readonly restriction: string | null;
  readonly reason: Reason | null;
  readonly since: string;
  /** When a stop ends at the earliest if nothing more is told; null: by a person alone, or no stop. */
  readonly until: string | null;
  /** Of the reason, as last looked at: emails, the share of them, and the share that was too much. */
  readonly volume: number;
  readonly rate: number;
  readonly threshold: number;
  /** Who stopped or lifted it last, and what they said; null for the rule. */
  readonly by: string | null;
  readonly why: string | null;
  /** What was counted by then in its hour, and all before, is not held against the stream. */
  readonly forgivenAt: string | null;
  readonly forgiven: Counts | null;
}

export interface Hour {
  readonly hour: Date;
  readonly counts: Counts;
}

/** The share of a measure, and of how many. */
export interface Rate {
  readonly count: number;
  readonly volume: number;
  /** 0 of nothing. */
  readonly rate: number;
}

/** Fewer than this are chance, whatever share they are. */
export const leastCount = 3;

/** A restriction stays so long before it is eased by rule, so that a rate at a threshold does not flap. */
export const leastMs = 3_600_000;

const order: readonly StreamState[] = ['ok', 'throttled', 'stopped'];

/** A stream of which nothing is known. */
export function newStream(key: StreamKey, now: Date): Stream {
  return {
    ...key,
    state: 'ok',
    restriction: null,
    reason: null,
    since: now.toISOString(),
    until: null,
    volume: 0,
    rate: 0,
    threshold: 0,
    by: null,
    why: null,
    forgivenAt: null,
    forgiven: null,
  };
}

/** What counts of a stream at a time: the hours of the window, without what was forgiven. */
export function windowOf(
  hours: readonly Hour[],
  { forgivenAt, forgiven }: Pick<Stream, 'forgivenAt' | 'forgiven'>,
  window: string,
  now: Date,
): Counts {
  const from = hourOf(now).getTime() - Duration.fromISO(window).toMillis();
  const cleanFrom = forgivenAt === null ? -Infinity : hourOf(new Date(forgivenAt)).getTime();
  let sum = noCounts;
  for (const { hour, counts } of hours) {
    const at = hour.getTime();
    if (at <= from || at < cleanFrom) continue;
    sum = add(sum, at === cleanFrom && forgiven ? subtract(counts, forgiven) : counts);
  }
  return sum;
}

export function ratesOf(counts: Counts): Readonly<Record<Measure, Rate>> {
  const of = (count: number, volume: number): Rate => ({
    count,
    volume,
    rate: volume === 0 ? 0 : Math.min(1, count / volume),
  });
  return {
    complaints: of(counts.complaints, counts.delivered),
    bounces: of(counts.hard_bounces, counts.attempted),
    blocks: of(counts.blocks, counts.attempted),
  };
}

/**
 * Judges a stream by what its window says. It gets worse at once. It gets better a step at a time, after an hour at least: a stop is
 * eased when the rate is below the one that throttles, throttling ends at half of that; or when hardly anything is left in the
 * window, because nothing is sent. What a person stopped, a person lets go.
 * @param id for a new restriction
 * @returns the very stream when nothing changed
 */
export function judge(
  stream: Stream,
  hours: readonly Hour[],
  policy: EmailDeliverability,
  now: Date,
  id: string,
): Stream {
  if (stream.reason === 'operator') return stream;
  const rates = ratesOf(windowOf(hours, stream, policy.window, now));
  const worst = worstOf(rates, policy);
  const held = heldBy(stream, rates, policy, now);
  const target = worst && rank(worst.state) > rank(held) ? worst.state : held;
  if (target === 'ok' && stream.state === 'ok') return stream;
  const reason = worst && rank(worst.state) > rank(held) ? worst.reason : stream.reason;
  const seen = reason === null ? undefined : rates[reason];
  const moved: Stream = {
    ...stream,
    state: target,
    volume: seen?.volume ?? 0,
    rate: seen?.rate ?? 0,
    ...(target !== stream.state && { since: now.toISOString(), by: null, why: null }),
    ...(target === 'ok' ? noRestriction : {}),
    ...(target !== 'ok' && { reason, threshold: thresholdOf(reason, target, policy) }),
    ...(target !== 'ok' && target !== stream.state && { restriction: id }),
  };
  return { ...moved, until: target === 'stopped' ? endOfStop(moved, hours, policy, now) : null };
}

/** A person stops a stream, until then or until it is lifted. */
export function stopByHand(
  stream: Stream,
  { by, why }: { readonly by: string; readonly why: string },
  now: Date,
  id: string,
): Stream {
  return {
    ...stream,
    state: 'stopped',
    restriction: stream.state === 'stopped' ? stream.restriction : id,
    reason: 'operator',
    since: stream.state === 'stopped' ? stream.since : now.toISOString(),
    until: null,
    volume: 0,
    rate: 0,
    threshold: 0,
    by,
    why,
  };
}

/**
 * A person lets a stream go. What was counted by now is not held against it again; what comes from now on is.
 * @param countedThisHour of the stream, in the hour of `now`
 */
export function lift(
  stream: Stream,
  { by, why }: { readonly by: string; readonly why: string },
  countedThisHour: Counts,
  now: Date,
): Stream {
  return {
    ...stream,
    ...noRestriction,
    since: now.toISOString(),
    volume: 0,
    rate: 0,
    by,
    why,
    forgivenAt: now.toISOString(),
    forgiven: countedThisHour,
  };
}

const noRestriction = { state: 'ok', restriction: null, reason: null, until: null, threshold: 0 } as const;

/** What the rates ask for, by the measure that asks for most. */
function worstOf(
  rates: Readonly<Record<Measure, Rate>>,
  policy: EmailDeliverability,
): { state: StreamState; reason: Measure } | undefined {
  let worst: { state: StreamState; reason: Measure } | undefined;
  for (const reason of measures) {
    const { count, volume, rate } = rates[reason];
    if (volume < policy.minVolume || count < leastCount) continue;
    const { throttle, stop } = policy[reason];
    const state = rate >= stop ? 'stopped' : rate >= throttle ? 'throttled' : 'ok';
    if (state !== 'ok' && (!worst || rank(state) > rank(worst.state))) worst = { state, reason };
  }
  return worst;
}

/** Down to where the restriction that is may go. */
function heldBy(
  { state, reason, since }: Stream,
  rates: Readonly<Record<Measure, Rate>>,
  policy: EmailDeliverability,
  now: Date,
): StreamState {
  if (state === 'ok' || reason === null || reason === 'operator') return 'ok';
  if (now.getTime() - Date.parse(since) < leastMs) return state;
  const { volume, rate } = rates[reason];
  const eases = policy[reason].throttle / (state === 'stopped' ? 1 : 2);
  if (volume >= policy.minVolume / 2 && rate >= eases) return state;
  return state === 'stopped' ? 'throttled' : 'ok';
}

/** When a stop is eased if nothing more is told: hours leave the window one by one. */
function endOfStop(stream: Stream, hours: readonly Hour[], policy: EmailDeliverability, now: Date): string | null {
  const earliest = Math.max(Date.parse(stream.since) + leastMs, now.getTime());
  const steps = Duration.fromISO(policy.window).as('hours') + 1;
  for (let step = 0; step <= steps; step++) {
    const at = step === 0 ? earliest : Math.max(earliest, hourOf(now).getTime() + step * leastMs);
    const rates = ratesOf(windowOf(hours, stream, policy.window, new Date(at)));
    const worst = worstOf(rates, policy);
    if (worst?.state !== 'stopped' && heldBy(stream, rates, policy, new Date(at)) !== 'stopped') {
      return new Date(at).toISOString();
    }
  }
  return null;
}

function thresholdOf(reason: Reason | null, state: StreamState, policy: EmailDeliverability): number {
  if (reason === null || reason === 'operator' || state === 'ok') return 0;
  return policy[reason][state === 'stopped' ? 'stop' : 'throttle'];
}

function rank(state: StreamState): number {
  return order.indexOf(state);
}
