import { describe, expect, it } from '@jest/globals';
import { type Batch, type BatchRecord, RejectRecord } from './batch.ts';
import { Interrupted } from './deliver.ts';
import { type Chunk, JointDelivery, type JointDeliveryOptions } from './joint-delivery.ts';

const records = (partition: number, count: number): Chunk => ({
  size: count,
  read: () => recordsOf(partition, count),
});

const recordsOf = (partition: number, count: number): BatchRecord[] =>
  Array.from({ length: count }, (_, n) => ({
    event: { id: `e${n}`, source: '//test', type: 'test.v1', time: '2026-11-24T18:00:00Z', data: {} },
    key: `p${partition}`,
    topic: 'test',
    partition,
    offset: String(n),
    attempt: 1,
  }));

const names = (batch: Iterable<BatchRecord>) => [...batch].map(({ partition, offset }) => `${partition}/${offset}`);
const staying = { wait: async () => undefined };
const leaving = {
  wait: async () => {
    throw new Interrupted();
  },
};

/** A delivery of three records at once; `applied` is what its transactions committed. */
function given(
  handler: (batch: Batch) => void | Promise<void> = () => undefined,
  overrides: Partial<JointDeliveryOptions> = {},
) {
  const applied: string[][] = [];
  const silent = () => undefined;
  const delivery = new JointDelivery({
    topic: 'test',
    apply: async (batch) => {
      await handler(batch);
      applied.push(names(batch));
    },
    policy: { attempts: 2, baseMs: 0, maxMs: 0 },
    isTransient: () => false,
    random: () => 0,
    maxBatch: 3,
    concurrency: 1,
    gatherMs: 0,
    log: { warn: silent, error: silent } as unknown as JointDeliveryOptions['log'],
    ...overrides,
  });
  return { delivery, applied };
}

describe('JointDelivery', () => {
  it('applies what several partitions have at the same time in one transaction', async () => {
    const { delivery, applied } = given();
    await Promise.all([delivery.deliver(records(0, 1), staying), delivery.deliver(records(1, 2), staying)]);
    expect(applied).toEqual([['0/0', '1/0', '1/1']]);
  });

  it('keeps to the size of a transaction, and the records of a partition together', async () => {
    const { delivery, applied } = given();
    await Promise.all([0, 1, 2].map((partition) => delivery.deliver(records(partition, 2), staying)));
    expect(applied).toEqual([
      ['0/0', '0/1'],
      ['1/0', '1/1'],
      ['2/0', '2/1'],
    ]);
  });

  it('tells each partition its own dead records, also when another has the same offset', async () => {
    const { delivery, applied } = given((batch) => {
      for (const record of batch) {
        if (record.partition === 1 && record.offset === '0') throw new RejectRecord(record, 'unknown tenant');
      }
    });
    const dead = await Promise.all([
      delivery.deliver(records(0, 1), staying),
      delivery.deliver(records(1, 2), staying),
    ]);
    expect(dead.map((of) => names(of.map(({ record }) => record)))).toEqual([[], ['1/0']]);
    expect(applied).toEqual([['0/0', '1/1']]);
  });

  it('isolates poison, and applies what other partitions brought with it', async () => {
    const { delivery, applied } = given((batch) => {
      if (names(batch).includes('1/0')) throw new TypeError('a bug');
    });
    const [, dead] = await Promise.all([
      delivery.deliver(records(0, 1), staying),
      delivery.deliver(records(1, 2), staying),
    ]);
    expect(names(dead.map(({ record }) => record))).toEqual(['1/0']);
    expect(applied.flat().sort()).toEqual(['0/0', '1/1']);
  });

  it('begins nothing when one of the partitions is being given up', async () => {
    const { delivery, applied } = given();
    const delivered = [delivery.deliver(records(0, 1), staying), delivery.deliver(records(1, 1), leaving)];
    for (const one of delivered) await expect(one).rejects.toThrow(Interrupted);
    expect(applied).toEqual([]);
  });
});
