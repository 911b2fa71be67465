import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeAll } from '@signalbox/persistence';
import { type VerifyDatabase, verifyDatabase } from '../../test/database.ts';
import { Budget } from './budget.rules.ts';
import type { Limit } from './window.rules.ts';
import { deleteEmptyWindows, lockWindows, windowsTaken } from './window.store.ts';

const hour = 3_600_000;
const limit = (key: string, sends: number, coolDownMs = 0): Limit => ({
  scope: 'ip',
  key,
  sends,
  perMs: hour,
  coolDownMs,
});

describe('windows that replicas share', () => {
  let database: VerifyDatabase;
  beforeAll(async () => (database = await verifyDatabase()));
  afterAll(() => database.close());
  beforeEach(() => database.dataSource.query('truncate send_windows'));

  const take = (limits: readonly Limit[]) =>
    database.transact(async (tx) => {
      const { windows, now } = await lockWindows(
        tx,
        limits.map(({ key }) => key),
      );
      const budget = new Budget(windows, now);
      const taken = budget.take(limits, 'user');
      await writeAll(tx, [windowsTaken(budget.taken())]);
      return taken.ok;
    });

  it('let as many through as they allow, of a hundred transactions at once', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => take([limit('a', 7)])));
    expect(answers.filter(Boolean)).toHaveLength(7);
    const [row] = await database.dataSource.query<{ at: string[]; sends: number[] }[]>(
      'select at, sends from send_windows',
    );
    expect(row?.at).toHaveLength(7);
    expect(row?.sends).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  it('never wait for each other in a circle, in whatever order their keys are named', async () => {
    const keys = ['d', 'b', 'a', 'c'];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const turned = [...keys.slice(index % 4), ...keys.slice(0, index % 4)];
        return take((index % 2 ? turned : turned.toReversed()).map((key) => limit(key, 50)));
      }),
    );
    expect(answers.filter(Boolean)).toHaveLength(50);
  });

  it('keep few entries where much is allowed', async () => {
    for (let sent = 0; sent < 20; sent++) expect(await take([limit('t', 10_000)])).toBe(true);
    const [row] = await database.dataSource.query<{ sends: number[] }[]>('select sends from send_windows');
    expect(row?.sends.reduce((sum, one) => sum + one)).toBe(20);
    expect(row?.sends.length).toBeLessThanOrEqual(2);
  });

  it('are forgotten when they are empty', async () => {
    await take([limit('a', 5)]);
    const remove = (now: number) => database.transact((tx) => deleteEmptyWindows(tx, new Date(now), 100));
    expect(await remove(Date.now())).toBe(0);
    expect(await remove(Date.now() + hour + 1_000)).toBe(1);
  });
});
