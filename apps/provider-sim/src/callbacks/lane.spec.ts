import { describe, expect, it } from '@jest/globals';
import { Lane } from './lane.ts';

describe('Lane', () => {
  it('lets so many through at once, the rest in order, and loses nobody over its queue', async () => {
    const lane = new Lane(2);
    const entered: number[] = [];
    let inside = 0;
    let most = 0;
    const pass = async (who: number) => {
      await lane.enter();
      entered.push(who);
      most = Math.max(most, ++inside);
      await Promise.resolve();
      inside--;
      lane.leave();
    };
    const everybody = Array.from({ length: 5_000 }, (_, who) => who);
    await Promise.all(everybody.map(pass));
    expect(entered).toEqual(everybody);
    expect(most).toBe(2);

    await pass(5_000);
    expect(entered).toHaveLength(5_001);
  });
});
