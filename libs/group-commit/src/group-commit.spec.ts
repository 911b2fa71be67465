import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { GroupCommit, GroupCommitFull } from './group-commit.ts';

/** A flush the test lets go on, one at a time. */
function heldFlush() {
  const flushes: { items: number[]; resolve: (results: number[]) => void; reject: (reason: Error) => void }[] = [];
  const flush = (items: number[]) =>
    new Promise<number[]>((resolve, reject) => flushes.push({ items, resolve, reject }));
  return { flush, flushes };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('GroupCommit', () => {
  it('flushes a lone item at once', async () => {
    const commit = new GroupCommit<number, number>(async (items) => items.map((item) => item * 2));
    expect(await commit.add(21)).toBe(42);
  });

  it('flushes what arrived during a flush as the next one', async () => {
    const { flush, flushes } = heldFlush();
    const commit = new GroupCommit(flush);
    const first = commit.add(1);
    await turn();
    const later = [commit.add(2), commit.add(3)];
    await turn();
    expect(flushes.map(({ items }) => items)).toEqual([[1]]);
    flushes[0]?.resolve([10]);
    expect(await first).toBe(10);
    await turn();
    expect(flushes.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    flushes[1]?.resolve([20, 30]);
    expect(await Promise.all(later)).toEqual([20, 30]);
  });

  it('flushes together what is not too heavy, and what is too heavy alone', async () => {
    const { flush, flushes } = heldFlush();
    const commit = new GroupCommit(flush, { maxItems: 5, weigh: (item: number) => item, concurrency: 4 });
    for (const item of [2, 3, 1, 9, 4]) void commit.add(item);
    await turn();
    expect(flushes.map(({ items }) => items)).toEqual([[2, 3], [1], [9], [4]]);
  });

  it('rejects the items of the flush that failed, and only those', async () => {
    const { flush, flushes } = heldFlush();
    const commit = new GroupCommit(flush);
    const failing = Promise.allSettled([commit.add(1), commit.add(2)]);
    await turn();
    const next = commit.add(3);
    flushes[0]?.reject(new Error('broker away'));
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await turn();
    flushes[1]?.resolve([30]);
    expect(await next).toBe(30);
  });

  it('rejects the items whose result is an error, and only those', async () => {
    const commit = new GroupCommit<number, number>(async (items) =>
      items.map((item) => (item < 0 ? new RangeError(`${item} is negative`) : item)),
    );
    const [one, minus, two] = await Promise.allSettled([commit.add(1), commit.add(-1), commit.add(2)]);
    expect([one, two]).toEqual([1, 2].map((value) => ({ status: 'fulfilled', value })));
    expect(minus).toEqual({ status: 'rejected', reason: new RangeError('-1 is negative') });
  });

  it('rejects when flush answers another number of results', async () => {
    const commit = new GroupCommit<number, number>(async () => []);
    await expect(commit.add(1)).rejects.toThrow('flush answered 0 results for 1 items');
  });

  it('refuses more than maxPending, and takes items again when there is room', async () => {
    const { flush, flushes } = heldFlush();
    const commit = new GroupCommit(flush, { maxPending: 2 });
    const taken = [commit.add(1), commit.add(2)];
    await expect(commit.add(3)).rejects.toThrow(GroupCommitFull);
    await turn();
    flushes[0]?.resolve([1, 2]);
    await Promise.all(taken);
    void commit.add(4);
    await turn();
    expect(flushes[1]?.items).toEqual([4]);
  });

  it('drains: resolves when nothing is pending, also for what is added meanwhile', async () => {
    const { flush, flushes } = heldFlush();
    const commit = new GroupCommit(flush);
    await commit.drain();
    void commit.add(1);
    let drained = false;
    const draining = commit.drain().then(() => (drained = true));
    await turn();
    void commit.add(2);
    flushes[0]?.resolve([1]);
    await turn();
    expect(drained).toBe(false);
    flushes[1]?.resolve([2]);
    await draining;
    expect(commit.pending).toBe(0);
  });

  it('keeps order, loses nothing, repeats nothing, holds its limits: whatever arrives when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 3 }),
        fc.scheduler(),
        async (bursts, maxItems, concurrency, scheduler) => {
          const flushed: number[][] = [];
          let running = 0;
          let most = 0;
          const commit = new GroupCommit<number, number>(
            async (items) => {
              flushed.push(items);
              most = Math.max(most, ++running);
              await scheduler.schedule(Promise.resolve());
              running--;
              return items.map((item) => -item);
            },
            { maxItems, concurrency },
          );
          let next = 0;
          const results: Promise<number>[] = [];
          const arrivals = bursts.map(async (burst) => {
            await scheduler.schedule(Promise.resolve());
            for (let i = 0; i < burst; i++) results.push(commit.add(next++));
          });
          await scheduler.waitFor(Promise.all(arrivals).then(() => commit.drain()));
          const total = bursts.reduce((sum, burst) => sum + burst, 0);
          const added = Array.from({ length: total }, (_, i) => i);
          expect(flushed.flat()).toEqual(added);
          expect(await Promise.all(results)).toEqual(added.map((i) => -i));
          expect(Math.max(...flushed.map((items) => items.length))).toBeLessThanOrEqual(maxItems);
          expect(most).toBeLessThanOrEqual(concurrency);
        },
      ),
    );
  });

  describe('with an interval between flushes', () => {
    beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
    afterEach(() => void jest.useRealTimers());

    it('flushes a lone item at once, and collects those that come soon after a flush', async () => {
      const groups: number[][] = [];
      const commit = new GroupCommit<number>(
        async (items) => {
          groups.push(items);
          return items.map(() => undefined);
        },
        { minIntervalMs: 100 },
      );
      await commit.add(1);
      const soon = [commit.add(2), commit.add(3)];
      await jest.advanceTimersByTimeAsync(50);
      soon.push(commit.add(4));
      expect(groups).toEqual([[1]]);
      await jest.advanceTimersByTimeAsync(50);
      await Promise.all(soon);
      expect(groups).toEqual([[1], [2, 3, 4]]);
      await jest.advanceTimersByTimeAsync(100);
      await commit.add(5);
      expect(groups).toEqual([[1], [2, 3, 4], [5]]);
    });

    it('does not keep a full group waiting', async () => {
      const groups: number[][] = [];
      const commit = new GroupCommit<number>(
        async (items) => {
          groups.push(items);
          return items.map(() => undefined);
        },
        { minIntervalMs: 100, maxItems: 3 },
      );
      await commit.add(1);
      const soon = [commit.add(2), commit.add(3)];
      await jest.advanceTimersByTimeAsync(50);
      expect(groups).toEqual([[1]]);
      soon.push(commit.add(4));
      await Promise.all(soon);
      expect(groups).toEqual([[1], [2, 3, 4]]);
      const late = commit.add(5);
      await jest.advanceTimersByTimeAsync(99);
      expect(groups).toHaveLength(2);
      await jest.advanceTimersByTimeAsync(1);
      await late;
      expect(groups).toEqual([[1], [2, 3, 4], [5]]);
    });
  });

  describe('with a timeout', () => {
    const timeout = { ms: 1_000, error: (item: number) => new Error(`${item} took too long`) };
    beforeEach(() => void jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] }));
    afterEach(() => void jest.useRealTimers());

    it('rejects what is being flushed for too long, and does not flush what has waited for too long', async () => {
      const { flush, flushes } = heldFlush();
      const commit = new GroupCommit(flush, { timeout });
      const flushed = Promise.allSettled([commit.add(1)]);
      await jest.advanceTimersByTimeAsync(0);
      const waiting = Promise.allSettled([commit.add(2)]);
      await jest.advanceTimersByTimeAsync(600);
      const young = commit.add(3);
      await jest.advanceTimersByTimeAsync(600);
      expect(await flushed).toEqual([{ status: 'rejected', reason: new Error('1 took too long') }]);
      expect(await waiting).toEqual([{ status: 'rejected', reason: new Error('2 took too long') }]);
      expect(commit.pending).toBe(2);
      flushes[0]?.resolve([10]);
      await jest.advanceTimersByTimeAsync(0);
      expect(flushes.map(({ items }) => items)).toEqual([[1], [3]]);
      flushes[1]?.resolve([30]);
      expect(await young).toBe(30);
      expect(commit.pending).toBe(0);
    });

    it('counts what has expired as settled when draining', async () => {
      const { flush, flushes } = heldFlush();
      const commit = new GroupCommit(flush, { timeout });
      const all = Promise.allSettled([commit.add(1), jest.advanceTimersByTimeAsync(0).then(() => commit.add(2))]);
      await jest.advanceTimersByTimeAsync(1_200);
      flushes[0]?.resolve([10]);
      await commit.drain();
      expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(flushes).toHaveLength(1);
    });
  });
});
