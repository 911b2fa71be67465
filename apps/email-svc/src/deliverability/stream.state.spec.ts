import { describe, expect, it } from '@jest/globals';
import { defaultEmailDeliverability as policy } from '@signalbox/tenants';
import fc from 'fast-check';
import { add, type Counts, noCounts } from './count.rules.ts';
import {
  type Hour,
  judge,
  leastMs,
  lift,
  newStream,
  ratesOf,
  stopByHand,
  type Stream,
  windowOf,
} from './stream.state.ts';

const now = new Date('2026-11-24T18:20:00.000Z');
const hourMs = 3_600_000;
const key = { tenant: 'demo', stream: 'bulk', provider: 'gmail' } as const;
const later = (ms: number) => new Date(now.getTime() + ms);
const hoursAgo = (hours: number) => new Date(Math.floor(now.getTime() / hourMs - hours) * hourMs);
const counted = (counts: Partial<Counts>, ago = 0): Hour[] => [
  { hour: hoursAgo(ago), counts: { ...noCounts, ...counts } },
];
const sent = (delivered: number, bad: Partial<Counts> = {}, ago = 0) =>
  counted({ attempted: delivered, delivered, ...bad }, ago);
const fresh = newStream(key, later(-10 * hourMs));
const judged = (hours: readonly Hour[], stream: Stream = fresh, at = now) => judge(stream, hours, policy, at, 'new');
const stopped = judged(sent(10_000, { complaints: 50 }));

describe('judge', () => {
  it.each([
    ['no complaints', 'ok', null, sent(10_000)],
    ['just below the first threshold', 'ok', null, sent(10_000, { complaints: 9 })],
    ['one in a thousand', 'throttled', 'complaints', sent(10_000, { complaints: 10 })],
    ['nearly three in a thousand', 'throttled', 'complaints', sent(10_000, { complaints: 29 })],
    ['three in a thousand', 'stopped', 'complaints', sent(10_000, { complaints: 30 })],
    ['many, of too few', 'ok', null, sent(499, { complaints: 100 })],
    ['a share of chance', 'ok', null, sent(500, { complaints: 2 })],
    ['hard bounces', 'throttled', 'bounces', counted({ attempted: 1000, delivered: 940, hard_bounces: 60 })],
    ['many hard bounces', 'stopped', 'bounces', counted({ attempted: 1000, delivered: 880, hard_bounces: 120 })],
    ['soft bounces', 'ok', null, counted({ attempted: 1000, delivered: 600, soft_bounces: 400 })],
    ['blocks', 'throttled', 'blocks', counted({ attempted: 1000, delivered: 850, blocks: 150 })],
    [
      'the worse of two',
      'stopped',
      'bounces',
      counted({ attempted: 1000, delivered: 750, blocks: 150, hard_bounces: 100 }),
    ],
    ['what is out of the window', 'ok', null, sent(10_000, { complaints: 50 }, 24)],
    ['the last hour of the window', 'stopped', 'complaints', sent(10_000, { complaints: 50 }, 23)],
  ] as const)('%s: %s for %s', (_label, state, reason, hours) => {
    expect(judged(hours)).toMatchObject({ state, reason });
  });

  it('tells what it was stopped for, and leaves a stream alone that is as it was', () => {
    expect(stopped).toMatchObject({
      restriction: 'new',
      volume: 10_000,
      rate: 0.005,
      threshold: 0.003,
      since: now.toISOString(),
    });
    expect(judged(sent(10_000))).toBe(fresh);
    expect(judge(stopped, sent(10_000, { complaints: 50 }), policy, later(60_000), 'other').restriction).toBe('new');
  });

  it('stops what is throttled at once when it gets worse', () => {
    const throttled = judged(sent(10_000, { complaints: 10 }));
    const worse = judge(throttled, sent(10_000, { complaints: 40 }), policy, later(1_000), 'worse');
    expect(worse).toMatchObject({ state: 'stopped', restriction: 'worse', since: later(1_000).toISOString() });
  });

  it.each([
    ['still above the first threshold', 'stopped', 1.5 * hourMs, sent(10_000, { complaints: 20 })],
    ['below it, but within the hour', 'stopped', 0.9 * leastMs, sent(100_000, { complaints: 50 })],
    ['below it', 'throttled', leastMs, sent(100_000, { complaints: 50 })],
    ['nothing left of it', 'throttled', leastMs, []],
  ] as const)('what was stopped, %s: %s', (_label, state, ms, hours) => {
    expect(judged(hours, stopped, later(ms)).state).toBe(state);
  });

  it('goes back to normal in two steps, an hour each', () => {
    const eased = judged([], stopped, later(leastMs));
    expect(judged([], eased, later(1.5 * leastMs)).state).toBe('throttled');
    expect(judged([], eased, later(2 * leastMs))).toMatchObject({ state: 'ok', restriction: null, reason: null });
  });

  it('goes on with what is wrong now when what was wrong is over', () => {
    const throttled = judged(sent(10_000, { complaints: 10 }));
    const hours = counted({ attempted: 10_000, delivered: 9_300, hard_bounces: 700 });
    expect(judged(hours, throttled, later(2 * leastMs))).toMatchObject({ state: 'throttled', reason: 'bounces' });
  });
});

describe('a person', () => {
  const said = { by: 'ops', why: 'a bad list' };

  it('stops a stream, and no rule lets it go', () => {
    const byHand = stopByHand(fresh, said, now, 'hand');
    expect(byHand).toMatchObject({ state: 'stopped', reason: 'operator', restriction: 'hand', ...said });
    expect(judged([], byHand, later(48 * hourMs))).toBe(byHand);
  });

  it('lets a stream go, and what was counted is not held against it again', () => {
    const hours = sent(10_000, { complaints: 50 });
    const lifted = lift(stopped, said, { ...noCounts, ...hours[0]?.counts }, later(60_000));
    expect(lifted).toMatchObject({ state: 'ok', restriction: null, ...said });
    expect(judged(hours, lifted, later(61_000)).state).toBe('ok');
    const more = hours.map(({ hour, counts }) => ({
      hour,
      counts: add(counts, { ...noCounts, attempted: 600, delivered: 600, complaints: 3 }),
    }));
    expect(judged(more, lifted, later(120_000))).toMatchObject({ state: 'stopped', volume: 600, rate: 0.005 });
  });
});

describe('whatever is counted', () => {
  const count = fc.record({
    delivered: fc.nat(20_000),
    complaints: fc.nat(100),
    hard_bounces: fc.nat(3_000),
    blocks: fc.nat(6_000),
  });
  const window = fc.array(count, { minLength: 1, maxLength: 30 }).map((all) =>
    all.map((one, ago): Hour => {
      const attempted = one.delivered + one.hard_bounces + one.blocks;
      return { hour: hoursAgo(ago), counts: { ...noCounts, ...one, attempted } };
    }),
  );
  const rank = { ok: 0, throttled: 1, stopped: 2 };

  it('nothing is held back that is below every threshold', () => {
    fc.assert(
      fc.property(window, (hours) => {
        const rates = ratesOf(windowOf(hours, fresh, policy.window, now));
        const isFine = (['complaints', 'bounces', 'blocks'] as const).every(
          (name) => rates[name].rate < policy[name].throttle,
        );
        if (isFine) expect(judged(hours).state).toBe('ok');
      }),
    );
  });

  it('more complaints never make it better', () => {
    fc.assert(
      fc.property(window, fc.nat(200), (hours, more) => {
        const worse = hours.map(({ hour, counts }, index) =>
          index === 0 ? { hour, counts: { ...counts, complaints: counts.complaints + more } } : { hour, counts },
        );
        expect(rank[judged(worse).state]).toBeGreaterThanOrEqual(rank[judged(hours).state]);
      }),
    );
  });

  it('a stream gets better a step at a time and an hour after its last change at the earliest', () => {
    const looks = fc.array(fc.record({ afterMs: fc.integer({ min: 1_000, max: 2 * hourMs }), hours: window }), {
      minLength: 2,
      maxLength: 20,
    });
    fc.assert(
      fc.property(looks, (all) => {
        let stream = fresh;
        let at = now.getTime();
        for (const { afterMs, hours } of all) {
          at += afterMs;
          const next = judge(stream, hours, policy, new Date(at), String(at));
          if (rank[next.state] < rank[stream.state]) {
            expect(rank[stream.state] - rank[next.state]).toBe(1);
            expect(at - Date.parse(stream.since)).toBeGreaterThanOrEqual(leastMs);
          }
          expect(next.restriction === null).toBe(next.state === 'ok');
          stream = next;
        }
      }),
    );
  });

  it('a stop is eased when it says, if nothing more comes, and not a moment before', () => {
    fc.assert(
      fc.property(window, (hours) => {
        const stop = judged(hours);
        if (stop.state !== 'stopped') return;
        const until = Date.parse(stop.until ?? '');
        expect(judged(hours, stop, new Date(until)).state).toBe('throttled');
        expect(judged(hours, stop, new Date(until - 1)).state).toBe('stopped');
      }),
    );
  });
});
