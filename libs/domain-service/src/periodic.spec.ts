import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import { Periodic } from './periodic.ts';

const hour = 3_600_000;

describe('Periodic', () => {
  let work: Periodic;
  const start = (everyMs: number, pass: () => Promise<boolean>) => {
    work = new Periodic('spec', everyMs, createLogger('spec', { level: 'silent' }), pass);
    work.start();
  };
  afterEach(() => work.stop());

  it('goes on at once while there is more to do, and then waits', async () => {
    let passes = 0;
    start(hour, async () => ++passes < 4);
    await eventually(() => expect(passes).toBe(4));
    await work.stop();
    expect(passes).toBe(4);
  });

  it('tries again after a pass that failed', async () => {
    let passes = 0;
    start(1, async () => {
      if (++passes === 1) throw new Error('the first one fails');
      return false;
    });
    await eventually(() => expect(passes).toBeGreaterThan(1));
  });

  it('does one pass at a time, and lets the one under way end when it is stopped', async () => {
    const under = Promise.withResolvers<void>();
    let [running, most, ended] = [0, 0, false];
    start(1, async () => {
      most = Math.max(most, ++running);
      await under.promise;
      running--;
      ended = true;
      return true;
    });
    const stopped = work.stop();
    under.resolve();
    await stopped;
    expect([most, running, ended]).toEqual([1, 0, true]);
  });
});
