import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Bucket, budgetOf, giveBack, newBucket, takeSlot, toleranceMs } from './bucket.rules.ts';

const t0 = Date.parse('2026-11-24T18:00:00Z');

/** What a dispatcher does with a bucket: looks at it after a while, takes as much as it wants and can get, for a lane. */
const look = fc.record({
  pauseMs: fc.oneof(fc.double({ min: 0, max: 60, noNaN: true }), fc.double({ min: 0, max: 5_000, noNaN: true })),
  wanted: fc.integer({ min: 1, max: 80 }),
  urgent: fc.boolean(),
});

interface Send {
  readonly claimedMs: number;
  readonly startMs: number;
  readonly urgent: boolean;
}

function play(
  limits: { rate: number; burst?: number },
  looks: readonly (typeof look extends fc.Arbitrary<infer L> ? L : never)[],
): Send[] {
  const budget = budgetOf(limits);
  let bucket: Bucket = newBucket;
  let nowMs = t0;
  const sends: Send[] = [];
  for (const { pauseMs, wanted, urgent } of looks) {
    nowMs += pauseMs;
    for (let taken = 0; taken < wanted; taken++) {
      const slot = takeSlot(budget, bucket, urgent, nowMs);
      if (!slot.ok) break;
      bucket = slot.bucket;
      sends.push({ claimedMs: nowMs, startMs: slot.startMs, urgent });
    }
  }
  return sends;
}

/** The most sends in any window of this length, ends included. */
function densest(times: readonly number[], windowMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while ((sorted[last] as number) - (sorted[first] as number) > windowMs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const rate = fc.double({ min: 0.1, max: 500, noNaN: true });
const burst = fc.integer({ min: 1, max: 300 });

describe('a token bucket', () => {
  // Several replicas are several dispatchers whose looks take turns on one bucket: any interleaving is one such sequence.
  it('lets no more than rate · t + capacity start in any time t, whoever looks and when', () => {
    fc.assert(
      fc.property(
        rate,
        burst,
        fc.array(look, { maxLength: 60 }),
        fc.integer({ min: 1, max: 3000 }),
        (r, b, looks, t) => {
          const { intervalMs, capacity } = budgetOf({ rate: r, burst: b });
          const starts = play({ rate: r, burst: b }, looks).map(({ startMs }) => startMs);
          expect(densest(starts, t)).toBeLessThanOrEqual(t / intervalMs + capacity + 1e-6);
        },
      ),
    );
  });

  it('keeps rate + burst in any second at the provider, though calls arrive late by up to the tolerance', () => {
    fc.assert(
      fc.property(
        rate,
        burst,
        fc.array(look, { maxLength: 60 }),
        fc.infiniteStream(fc.double({ min: 0, max: toleranceMs, noNaN: true })),
        (r, b, looks, delays) => {
          const arrivals = play({ rate: r, burst: b }, looks).map(
            ({ startMs }) => startMs + Number(delays.next().value),
          );
          expect(densest(arrivals, 1000)).toBeLessThanOrEqual(r + b);
        },
      ),
    );
  });

  it('gives the whole rate, when the burst is large enough for the tolerance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), (r) => {
        const looks = Array.from({ length: 500 }, () => ({ pauseMs: 20, wanted: 500, urgent: false }));
        const sent = play({ rate: r, burst: Math.ceil(r / 5) + 1 }, looks).length;
        expect(sent).toBeGreaterThanOrEqual(Math.floor(r * 9.9) - 1);
      }),
    );
  });

  it.each([
    [0.5, 1, 0.5],
    [1, 1, 1],
    [10, 1, 10],
    [100, 1, 91.8],
    [100, 5, 95.45],
    [100, 11, 100],
  ])(
    'at %d/s with a burst of %d gives %d/s: a burst too small for the tolerance costs some of the rate',
    (r, b, steady) => {
      expect(1000 / budgetOf({ rate: r, burst: b }).intervalMs).toBeCloseTo(steady, 1);
    },
  );

  it('never starts earlier than the claim, nor later than its horizon', () => {
    fc.assert(
      fc.property(rate, burst, fc.array(look, { maxLength: 60 }), (r, b, looks) => {
        const { horizonMs } = budgetOf({ rate: r, burst: b });
        for (const { claimedMs, startMs } of play({ rate: r, burst: b }, looks)) {
          expect(startMs).toBeGreaterThanOrEqual(claimedMs);
          expect(startMs).toBeLessThanOrEqual(claimedMs + horizonMs);
        }
      }),
    );
  });

  it('says when to look again, and then has a slot', () => {
    fc.assert(
      fc.property(rate, burst, fc.boolean(), (r, b, urgent) => {
        const budget = budgetOf({ rate: r, burst: b });
        let bucket: Bucket = newBucket;
        for (;;) {
          const slot = takeSlot(budget, bucket, urgent, t0);
          if (!slot.ok) {
            expect(slot.untilMs).toBeGreaterThan(t0);
            expect(takeSlot(budget, bucket, urgent, slot.untilMs).ok).toBe(true);
            return;
          }
          bucket = slot.bucket;
        }
      }),
    );
  });

  it('always has a slot at once for a code, though a campaign takes all it can get', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 40 }), (r, pause) => {
        const b = Math.ceil(r / 5) + 2;
        const budget = budgetOf({ rate: r, burst: b });
        let bucket: Bucket = newBucket;
        let nowMs = t0;
        for (let step = 0; step < 100; step++, nowMs += 20) {
          for (;;) {
            const slot = takeSlot(budget, bucket, false, nowMs);
            if (!slot.ok) break;
            bucket = slot.bucket;
          }
        }
        const code = takeSlot(budget, bucket, true, nowMs + pause);
        const wait = code.ok ? code.startMs - nowMs - pause : Infinity;
        expect(wait).toBeLessThanOrEqual(budget.reserve > 0 ? budget.intervalMs : budget.intervalMs + budget.horizonMs);
      }),
    );
  });
});

describe('a daily cap', () => {
  const budget = budgetOf({ dailyCap: 3, dailyReserve: 1, timeZone: 'America/Los_Angeles' });
  const take = (bucket: Bucket, urgent: boolean, nowMs: number) => takeSlot(budget, bucket, urgent, nowMs);
  const must = (slot: ReturnType<typeof take>): Bucket => {
    if (!slot.ok) throw new Error('no slot');
    return slot.bucket;
  };

  it('holds until midnight in its own zone, and keeps its reserve for codes', () => {
    const evening = Date.parse('2026-11-25T07:59:00Z');
    const two = must(take(must(take(newBucket, false, evening)), false, evening));
    expect(take(two, false, evening)).toEqual({ ok: false, why: 'cap', untilMs: Date.parse('2026-11-25T08:00:00Z') });
    const three = must(take(two, true, evening));
    expect(take(three, true, evening).ok).toBe(false);
    expect(must(take(three, false, evening + 60_000))).toMatchObject({ day: '2026-11-25', used: 1 });
  });

  it('gets back what was turned away, on the same day only', () => {
    const one = must(take(newBucket, false, t0));
    expect(giveBack(one, '2026-11-24').used).toBe(0);
    expect(giveBack(one, '2026-11-23').used).toBe(1);
    expect(giveBack(giveBack(one, '2026-11-24'), '2026-11-24').used).toBe(0);
  });

  it('of nothing lets nothing go', () => {
    expect(takeSlot(budgetOf({ dailyCap: 0 }), newBucket, true, t0).ok).toBe(false);
  });
});

it('a quota without parts limits nothing', () => {
  const budget = budgetOf({});
  expect(takeSlot(budget, newBucket, false, t0)).toEqual({ ok: true, startMs: t0, bucket: newBucket });
});
