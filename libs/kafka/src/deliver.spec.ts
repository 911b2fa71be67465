import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Batch, type BatchRecord, RejectRecord } from './batch.ts';
import { deliver, type Delivery, type FailedAttempt, Interrupted } from './deliver.ts';

const records = (count: number): BatchRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    event: { id: `e${i}`, source: '//test', type: 'test.v1', time: '2026-11-24T18:00:00Z', data: {} },
    key: `k${i % 3}`,
    topic: 'test',
    partition: 0,
    offset: String(i),
    attempt: 1,
  }));

class Away extends Error {}

/** Runs a handler over records; `applied` is what its transactions committed. */
async function run(count: number, handler: (batch: Batch) => void, overrides: Partial<Delivery> = {}) {
  const applied: string[] = [];
  const tries: { size: number; attempt: number }[] = [];
  const failures: FailedAttempt[] = [];
  const dead = await deliver(records(count), {
    policy: { attempts: 3, baseMs: 100, maxMs: 1_000 },
    apply: async (batch) => {
      tries.push({ size: batch.size, attempt: batch.records[0]?.attempt ?? 0 });
      handler(batch);
      applied.push(...batch.map(({ offset }) => offset));
    },
    isTransient: (error) => error instanceof Away,
    wait: async () => undefined,
    random: () => 0.5,
    onFailure: (failure) => failures.push(failure),
    ...overrides,
  });
  return { applied, tries, failures, dead: dead.map(({ record, ...why }) => ({ offset: record.offset, ...why })) };
}

describe('deliver', () => {
  it('applies a batch that works once', async () => {
    const { applied, tries, dead } = await run(4, () => undefined);
    expect(applied).toEqual(['0', '1', '2', '3']);
    expect(tries).toEqual([{ size: 4, attempt: 1 }]);
    expect(dead).toEqual([]);
  });

  it('retries an infrastructure fault for as long as it lasts, with growing waits', async () => {
    let left = 50;
    const { applied, tries, failures, dead } = await run(2, () => {
      if (left-- > 0) throw new Away();
    });
    expect(applied).toEqual(['0', '1']);
    expect(tries.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 51 }, (_, i) => i + 1));
    expect(failures.slice(0, 5).map(({ waitMs }) => waitMs)).toEqual([50, 100, 200, 400, 500]);
    expect(dead).toEqual([]);
  });

  it('tries a lone poison record as often as the policy says, then gives it up', async () => {
    const { tries, dead } = await run(1, () => {
      throw Object.assign(new TypeError('+14155550199 is undefined'), { code: 'E_BUG' });
    });
    expect(tries).toHaveLength(3);
    expect(dead).toEqual([{ offset: '0', reason: 'handler failed: TypeError E_BUG', attempts: 3 }]);
  });

  it('halves a failing batch until the poison stands alone', async () => {
    const { applied, tries, dead } = await run(8, (batch) => {
      if (batch.records.some(({ offset }) => offset === '5')) throw new Error('poison');
    });
    expect(applied).toEqual(['0', '1', '2', '3', '4', '6', '7']);
    expect(tries.map(({ size }) => size)).toEqual([8, 8, 8, 4, 4, 2, 1, 1, 2]);
    expect(dead).toEqual([{ offset: '5', reason: 'handler failed: Error', attempts: 6 }]);
  });

  it('leaves out a rejected record at once and without using up attempts', async () => {
    const { applied, tries, dead } = await run(5, (batch) => {
      for (const record of batch) if (Number(record.offset) % 2 === 1) throw new RejectRecord(record, 'no such tenant');
    });
    expect(applied).toEqual(['0', '2', '4']);
    expect(tries.map(({ size }) => size)).toEqual([5, 4, 3]);
    expect(dead).toEqual([
      { offset: '1', reason: 'no such tenant', attempts: 1 },
      { offset: '3', reason: 'no such tenant', attempts: 2 },
    ]);
  });

  it('leaves out all that one throw rejects, and tries the rest once', async () => {
    const { applied, tries, dead } = await run(5, (batch) => {
      const odd = batch.filter(({ offset }) => Number(offset) % 2 === 1);
      if (odd.length > 0) throw new RejectRecord(odd, 'no such tenant');
    });
    expect(applied).toEqual(['0', '2', '4']);
    expect(tries.map(({ size }) => size)).toEqual([5, 3]);
    expect(dead.map(({ offset, attempts }) => [offset, attempts])).toEqual([
      ['1', 1],
      ['3', 1],
    ]);
  });

  it('takes the rejection of a record that is not in the batch for a bug of the handler', async () => {
    const { dead } = await run(1, () => {
      throw new RejectRecord({ partition: 0, offset: '99' }, 'stray');
    });
    expect(dead).toEqual([{ offset: '0', reason: 'handler failed: RejectRecord', attempts: 3 }]);
  });

  it('does not count infrastructure faults against the attempts of a batch', async () => {
    let tried = 0;
    const { tries, dead } = await run(1, () => {
      throw ++tried % 2 === 0 ? new Error('bug') : new Away();
    });
    expect(tries).toHaveLength(6);
    expect(dead).toEqual([{ offset: '0', reason: 'handler failed: Error', attempts: 6 }]);
  });

  it('ends when the partition is given up during a back-off', async () => {
    let applied = 0;
    const ended = run(
      1,
      () => {
        applied++;
        throw new Away();
      },
      {
        wait: async (ms) => {
          if (ms > 0) throw new Interrupted();
        },
      },
    );
    await expect(ended).rejects.toThrow(Interrupted);
    expect(applied).toBe(1);
  });

  it('applies all but the poison, once and in order, wherever the poison is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.uniqueArray(fc.nat(59)), async (count, poison) => {
        const bad = (record: BatchRecord) => poison.includes(Number(record.offset));
        const { applied, dead } = await run(count, (batch) => {
          if (batch.records.some(bad)) throw new Error('poison');
        });
        const [good, rotten] = [records(count).filter((r) => !bad(r)), records(count).filter(bad)];
        expect(applied).toEqual(good.map(({ offset }) => offset));
        expect(dead.map(({ offset }) => offset)).toEqual(rotten.map(({ offset }) => offset));
      }),
    );
  });
});
