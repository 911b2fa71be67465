import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Anomaly,
  baselineOf,
  closingRate,
  judge,
  type Look,
  openingRate,
  toAnomalyEvent,
} from './anomaly.rules.ts';

const look = (changes: Partial<Look> = {}): Look => ({
  tenant: 'demo',
  dimension: 'country',
  value: 'US',
  volume: 1000,
  failures: 30,
  usualVolume: 100_000,
  usualFailures: 3_000,
  ...changes,
});

describe('judge', () => {
  it.each([
    ['as usual', {}, 'keep'],
    ['twice as usual, but few points', { failures: 60 }, 'keep'],
    ['far above', { failures: 200 }, 'open'],
    ['far above, on too little', { volume: 49, failures: 49 }, 'keep'],
    ['far above, by chance', { volume: 50, failures: 20, usualFailures: 20_000 }, 'keep'],
    ['bad as always', { failures: 400, usualFailures: 40_000 }, 'keep'],
    ['worse than bad as always', { failures: 800, usualFailures: 40_000 }, 'open'],
    ['no history, all fine', { usualVolume: 0, usualFailures: 0 }, 'keep'],
    ['no history, half fails', { failures: 500, usualVolume: 0, usualFailures: 0 }, 'open'],
    ['nothing sent', { volume: 0, failures: 0 }, 'keep'],
  ] as const)('%s: %s', (_label, changes, verdict) => {
    expect(judge(undefined, look(changes), 50)).toBe(verdict);
  });

  it.each([
    ['still bad', { failures: 200 }, 'keep'],
    ['between the thresholds', { failures: 100 }, 'keep'],
    ['back to usual', { failures: 40 }, 'close'],
    ['hardly any traffic left', { volume: 24, failures: 24 }, 'close'],
    ['little traffic, still bad', { volume: 30, failures: 30 }, 'keep'],
  ] as const)('while open, %s: %s', (_label, changes, verdict) => {
    expect(judge({ baseline: 0.03 }, look(changes), 50)).toBe(verdict);
  });

  const baselines = fc.double({ min: 0.001, max: 0.99, noNaN: true });

  it('leaves room between opening and closing, whatever is usual', () => {
    fc.assert(
      fc.property(baselines, (baseline) => {
        expect(openingRate(baseline)).toBeGreaterThan(closingRate(baseline));
        expect(closingRate(baseline)).toBeGreaterThan(baseline);
      }),
    );
  });

  it('does not flap: a rate that wavers around either threshold, and a volume around the least, changes at most once', () => {
    const wavers = fc.array(
      fc.record({ rate: fc.double({ min: -0.024, max: 0.024, noNaN: true }), volume: fc.nat(49) }),
      {
        minLength: 5,
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.85, noNaN: true }),
        wavers,
        fc.boolean(),
        (usual, looks, atOpening) => {
          const usualFailures = Math.round(usual * 1e6);
          const baseline = baselineOf(look({ usualVolume: 1e6, usualFailures }));
          const around = atOpening ? openingRate(baseline) : closingRate(baseline);
          let open: { baseline: number } | undefined;
          let changes = 0;
          for (const { rate, volume } of looks) {
            const seen = 1e6 + volume;
            const failures = (around + rate) * seen;
            const verdict = judge(open, look({ volume: seen, failures, usualVolume: 1e6, usualFailures }), 50);
            if (verdict === 'keep') continue;
            changes++;
            open = verdict === 'open' ? { baseline } : undefined;
          }
          expect(changes).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

it('tells an anomaly by the same id and key when it opens and when it closes', () => {
  const anomaly: Anomaly = {
    id: '019a0000-0000-7000-8000-000000000001',
    tenant: 'demo',
    kind: 'failure_rate',
    scope: { country: 'US' },
    openedAt: '2026-11-24T18:00:00.000Z',
    closedAt: null,
    volume: 100,
    rate: 0.5,
    baseline: 0.03,
  };
  const opened = toAnomalyEvent(anomaly);
  const closed = toAnomalyEvent({ ...anomaly, closedAt: '2026-11-24T19:00:00.000Z' });
  expect([opened.key, closed.key]).toEqual(['demo:country=US', 'demo:country=US']);
  expect([opened.event.type, closed.event.type]).toEqual([
    'analytics.anomaly.opened.v1',
    'analytics.anomaly.closed.v1',
  ]);
  expect(closed.event.data).toMatchObject({ at: '2026-11-24T19:00:00.000Z', openedAt: anomaly.openedAt });
});
