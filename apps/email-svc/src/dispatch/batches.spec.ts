import { describe, expect, it } from '@jest/globals';
import { Batches } from './batches.ts';

interface Item {
  readonly to: string;
  readonly size: number;
}

function batches(changes: Partial<ConstructorParameters<typeof Batches<Item, string>>[0]> = {}) {
  const handedOver: string[][] = [];
  const all = new Batches<Item, string>({
    handOver: async (key, items) => {
      handedOver.push([key, ...items.map(({ to }) => to)]);
      return items.map(({ to }) => `${to} done`);
    },
    maxItems: 3,
    maxSize: 100,
    sizeOf: ({ size }) => size,
    distinct: ({ to }) => to,
    windowMs: 1,
    ...changes,
  });
  return { handedOver, add: (key: string, to: string, size = 1) => all.add(key, { to, size }) };
}

describe('batches', () => {
  it('gather what is of one key, and answer each item for itself', async () => {
    const { add, handedOver } = batches();
    expect(await Promise.all([add('x', 'a'), add('y', 'b'), add('x', 'c')])).toEqual(['a done', 'b done', 'c done']);
    expect(handedOver).toEqual([
      ['x', 'a', 'c'],
      ['y', 'b'],
    ]);
  });

  it('are full at so many items', async () => {
    const { add, handedOver } = batches();
    await Promise.all(['a', 'b', 'c', 'd'].map((to) => add('x', to)));
    expect(handedOver).toEqual([
      ['x', 'a', 'b', 'c'],
      ['x', 'd'],
    ]);
  });

  it('are full at so large a size, and take a single item of any', async () => {
    const { add, handedOver } = batches();
    await Promise.all([add('x', 'a', 60), add('x', 'b', 60), add('x', 'c', 500)]);
    expect(handedOver).toEqual([
      ['x', 'a'],
      ['x', 'b'],
      ['x', 'c'],
    ]);
  });

  it('have nobody twice', async () => {
    const { add, handedOver } = batches();
    await Promise.all([add('x', 'a'), add('x', 'b'), add('x', 'a')]);
    expect(handedOver).toEqual([
      ['x', 'a', 'b'],
      ['x', 'a'],
    ]);
  });

  it('fail each item when they could not be handed over', async () => {
    const { add } = batches({ handOver: () => Promise.reject(new Error('broken')) });
    const results = await Promise.allSettled([add('x', 'a'), add('x', 'b')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
