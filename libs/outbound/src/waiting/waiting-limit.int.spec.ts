import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Lane } from '@signalbox/contracts';
import type { Transaction } from '@signalbox/persistence';
import { eventually } from '@signalbox/testing';
import { type ParcelDatabase, parcelDatabase } from '../../test/parcels.ts';
import { WaitingLimit } from './waiting-limit.ts';

let database: ParcelDatabase;
beforeAll(async () => (database = await parcelDatabase()));
afterAll(() => database.close());
beforeEach(() => database.dataSource.query('truncate parcels'));

const wait = (count: number, tenant = 'demo', lane = 1) =>
  database.dataSource.query(
    `insert into parcels (id, tenant, lane, queue, due_at, city, attempt, done)
     select gen_random_uuid(), $2, $3, '', now(), 'oslo', 0, false from generate_series(1, $1)`,
    [count, tenant, lane],
  );

function limitOf(most: Record<string, number>) {
  const log = { warn: jest.fn<(...args: unknown[]) => void>() };
  return { log, limit: new WaitingLimit({ table: 'parcels', mostOf: (tenant) => most[tenant], usual: 20, log }) };
}

const ask = (limit: WaitingLimit, lane: Lane, count = 1, tenant = 'demo', tx?: Transaction) => {
  const asked = Array.from({ length: count }, () => ({ tenant, lane }));
  return tx ? limit.roomFor(tx, asked) : database.transact((one) => limit.roomFor(one, asked));
};

describe('the limit of what waits', () => {
  it('is that of the tenant, else the usual one; a tenth is for the critical lane', async () => {
    await wait(8);
    await wait(17, 'other');
    const { limit } = limitOf({ demo: 10 });
    expect(await ask(limit, 'bulk', 2)).toEqual([true, false]);
    expect(await ask(limit, 'critical', 3)).toEqual([true, true, false]);
    expect(await ask(limit, 'transactional', 2, 'other')).toEqual([true, false]);
  });

  it('counts every lane, and nothing that does not wait', async () => {
    await wait(3, 'demo', 0);
    await wait(3, 'demo', 2);
    await database.dataSource.query(`update parcels set due_at = null where lane = 0`);
    await wait(5, 'demo', 0);
    const { limit } = limitOf({ demo: 10 });
    expect(await ask(limit, 'bulk', 2)).toEqual([true, false]);
  });

  it('puts a count off that fails, says so once, and goes by the last one until then', async () => {
    const { limit, log } = limitOf({ demo: 10 });
    expect(await ask(limit, 'bulk')).toEqual([true]);
    const broken = {
      dataSource: { query: jest.fn<() => Promise<never>>().mockRejectedValue(new Error('the database is away')) },
    };
    const known = () => ask(limit, 'bulk', 1, 'demo', broken as unknown as Transaction);
    await eventually(async () => {
      expect(await known()).toEqual([true]);
      expect(log.warn).toHaveBeenCalledTimes(1);
    });
    expect(log.warn.mock.calls[0]?.[0]).toMatchObject({ tenants: ['demo'], table: 'parcels' });
    expect(await known()).toEqual([true]);
    expect(broken.dataSource.query).toHaveBeenCalledTimes(1);
  });
});
