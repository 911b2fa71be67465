import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Limit, nextPossible, room, take, type Window } from './window.rules.ts';

const minute = 60_000;
const hour = 60 * minute;
const limit: Limit = { scope: 'recipient', key: 'k', sends: 5, perMs: hour, coolDownMs: minute };
const empty: Window = { key: 'k', at: [], sends: [] };
const start = Date.parse('2026-11-24T18:00:00Z');

const after = (times: readonly number[], of: Limit = limit): Window =>
  times.reduce((window, time) => take(window, of, start + time), empty);

describe('a sliding window', () => {
  it.each([
    ['is free when nothing was sent', [], 0, 0],
    ['cools down', [0], 10_000, 50_000],
    ['is free after the cool-down', [0], minute, 0],
    ['is full with five in an hour', [0, 10, 20, 30, 40].map((m) => m * minute), 45 * minute, 15 * minute],
    ['slides: the first leaves after an hour', [0, 10, 20, 30, 40].map((m) => m * minute), hour, 0],
    ['counts what is left then', [0, 10, 20, 30, 40, 60].map((m) => m * minute), 62 * minute, 8 * minute],
  ])('%s', (_label, times, at, wait) => {
    const judged = room(after(times), limit, start + at);
    expect(judged).toEqual(wait === 0 ? { ok: true } : { ok: false, retryAfterMs: wait });
    expect(nextPossible(after(times), limit, start + at)).toBe(start + at + wait);
  });

  const limits = fc.record({
    scope: fc.constant('ip' as const),
    key: fc.constant('k'),
    sends: fc.integer({ min: 1, max: 200 }),
    perMs: fc.integer({ min: 60_000, max: hour }),
    coolDownMs: fc.constantFrom(0, 10, 5_000),
  });
  const pauses = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 400 });

  it('never lets more through in any period than it allows, nor sooner than the cool-down', () => {
    fc.assert(
      fc.property(limits, pauses, (one, gaps) => {
        let window = empty;
        let now = start;
        const sent: number[] = [];
        for (const gap of gaps) {
          now += gap;
          if (!room(window, one, now).ok) continue;
          window = take(window, one, now);
          sent.push(now);
        }
        sent.forEach((time, index) => {
          expect(sent.filter((other) => other > time - one.perMs && other <= time).length).toBeLessThanOrEqual(
            one.sends,
          );
          if (index > 0) expect(time - (sent[index - 1] ?? 0)).toBeGreaterThanOrEqual(one.coolDownMs);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('says truly when there is room again, and keeps few entries however much it allows', () => {
    fc.assert(
      fc.property(limits, pauses, (one, gaps) => {
        let window = empty;
        let now = start;
        for (const gap of gaps) {
          now += gap;
          const judged = room(window, one, now);
          if (!judged.ok) {
            expect(room(window, one, now + judged.retryAfterMs)).toEqual({ ok: true });
            expect(room(window, one, now + judged.retryAfterMs - 1).ok).toBe(false);
          } else window = take(window, one, now);
        }
        expect(window.at.length).toBeLessThanOrEqual(Math.max(one.sends, 62));
        expect(window.sends).toHaveLength(window.at.length);
      }),
      { numRuns: 200 },
    );
  });
});
