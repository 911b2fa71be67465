import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../rounds.ts';
import type { Started, VerifyClient } from './clients.ts';

/** One kind of request, so many a second, or as many as go with so many under way at once. */
export type Pace = { readonly perSecond: number } | { readonly atOnce: number };

export interface Measured {
  /** Milliseconds, from when the request was due. */
  readonly p50: number;
  readonly p95: number;
  readonly perSecond: number;
}

/** What a user does: has a code sent, and types it in. */
export interface RoundTrip {
  readonly start: Measured;
  readonly check: Measured;
}

/** Starts `count` verifications, then checks each with its code. */
export async function roundTrip(
  client: VerifyClient,
  numbers: readonly string[],
  pace: Pace,
  codes: () => Promise<ReadonlyMap<string, string>>,
): Promise<RoundTrip> {
  const started: Started[] = [];
  const start = await each(numbers, pace, async (to) => {
    started.push(await client.start(to));
  });
  const known = await codes();
  const check = await each(started, pace, (one) => client.check(one, known.get(one.to) ?? ''));
  return { start, check };
}

async function each<Item>(items: readonly Item[], pace: Pace, work: (item: Item) => Promise<void>): Promise<Measured> {
  const latencies: number[] = [];
  const begin = performance.now();
  const timed = async (item: Item, due: number) => {
    await work(item);
    latencies.push(performance.now() - due);
  };
  if ('atOnce' in pace) {
    const queue = items.values();
    await Promise.all(
      Array.from({ length: pace.atOnce }, async () => {
        for (const item of queue) await timed(item, performance.now());
      }),
    );
  } else {
    const under: Promise<void>[] = [];
    const failures: unknown[] = [];
    for (const [index, item] of items.entries()) {
      if (failures.length > 0) break;
      const due = begin + (index / pace.perSecond) * 1000;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      // Nobody waits for it before all are under way.
      under.push(timed(item, due).catch((error: unknown) => void failures.push(error)));
    }
    await Promise.all(under);
    if (failures.length > 0) throw failures[0];
  }
  const perSecond = (items.length / (performance.now() - begin)) * 1000;
  latencies.sort((a, b) => a - b);
  return { p50: quantile(latencies, 0.5), p95: quantile(latencies, 0.95), perSecond };
}
