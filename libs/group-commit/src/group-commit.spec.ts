import { describe, expect, it } from '@jest/globals';
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
});
