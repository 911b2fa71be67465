import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeAll } from '@signalbox/persistence';
import { defaultEmailDeliverability, type EmailDeliverability } from '@signalbox/tenants';
import { type EmailDatabase, emailDatabase } from '../../test/database.ts';
import { type Counts, hourOf, noCounts, type StreamKey } from './count.rules.ts';
import { deltasWrite, fold, readHours } from './count.store.ts';
import { leastMs } from './stream.state.ts';
import { imposedQuotas, readStreams, recentChanges } from './stream.store.ts';
import { liftStream, type Policies, stopStream, watchStreams } from './watch.ts';

let database: EmailDatabase;
beforeAll(async () => (database = await emailDatabase()));
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query(
    'truncate deliverability_deltas, deliverability_hourly, email_streams, email_stream_changes, quotas, outbox',
  ),
);

const now = new Date('2026-11-24T18:20:00.000Z');
const later = (ms: number) => new Date(now.getTime() + ms);
const gmail: StreamKey = { tenant: 'demo', stream: 'bulk', provider: 'gmail' };
const said = { by: 'ops', why: 'a bad list' };
let policy: EmailDeliverability = defaultEmailDeliverability;
const policies: Policies = { of: () => policy, longestMs: () => 24 * leastMs };

const count = (counts: Partial<Counts>, key: StreamKey = gmail, at = now) =>
  database.transact((tx) =>
    writeAll(tx, [
      deltasWrite([{ ...key, from_domain: 'demo.example', hour: hourOf(at).toISOString(), ...noCounts, ...counts }]),
    ]),
  );
const sent = (delivered: number, complaints = 0, key = gmail, at = now) =>
  count({ attempted: delivered, delivered, complaints }, key, at);
const watch = (at = now, everything = false) => database.transact((tx) => watchStreams(tx, policies, at, everything));
const states = async () =>
  (await database.transact((tx) => readStreams(tx))).map(
    ({ stream, provider, state }) => `${stream} ${provider} ${state}`,
  );
const quotas = async () =>
  (await database.transact((tx) => imposedQuotas(tx, 'stream'))).map(({ scope, limits }) => ({
    of: scope.value,
    ...limits,
  }));
const told = async () =>
  (
    await database.dataSource.query<{ type: string; data: Record<string, unknown> }[]>(
      `select headers->>'ce_type' as type, value::jsonb as data from outbox order by id`,
    )
  ).map(({ type, data }) => `${type.split('.')[2]} ${String(data['action'])} ${String(data['mailboxProvider'])}`);

describe('a stream', () => {
  it('is stopped where it is complained of, and nowhere else', async () => {
    await sent(2_000, 10);
    await sent(2_000, 0, { ...gmail, provider: 'yahoo' });
    await sent(2_000, 3, { ...gmail, stream: 'transactional' });
    const { moves, quotasChanged } = await watch();
    expect(moves).toHaveLength(2);
    expect(quotasChanged).toBe(true);
    expect(await states()).toEqual(['bulk gmail stopped', 'transactional gmail throttled']);
    expect(await quotas()).toEqual(
      expect.arrayContaining([
        { of: 'bulk@gmail', rate: null, dailyCap: 0 },
        { of: 'transactional@gmail', rate: 1, dailyCap: null },
      ]),
    );
    expect(await told()).toEqual(['opened stopped gmail', 'opened throttled gmail']);
  });

  it('is judged once for what was counted, and told of once', async () => {
    await sent(2_000, 10);
    await Promise.all([watch(), watch(), watch()]);
    await watch(later(1_000), true);
    expect(await told()).toEqual(['opened stopped gmail']);
    expect(await database.count('email_stream_changes')).toBe(1);
    expect(await database.count('deliverability_deltas')).toBe(0);
  });

  it('goes slower by a tenth of its busiest hour, and keeps that rate', async () => {
    await sent(72_000, 80);
    await watch();
    expect(await quotas()).toEqual([{ of: 'bulk@gmail', rate: 2, dailyCap: null }]);
    await sent(720_000, 800);
    await watch();
    expect(await quotas()).toEqual([{ of: 'bulk@gmail', rate: 2, dailyCap: null }]);
  });

  it('comes back by itself, step by step, with an event of each', async () => {
    await sent(2_000, 10);
    await watch();
    await sent(40_000);
    await watch(later(leastMs / 2), true);
    expect(await states()).toEqual(['bulk gmail stopped']);
    await watch(later(leastMs), true);
    expect(await quotas()).toEqual([expect.objectContaining({ of: 'bulk@gmail', dailyCap: null })]);
    await watch(later(2 * leastMs), true);
    expect(await states()).toEqual(['bulk gmail ok']);
    expect(await quotas()).toEqual([]);
    expect(await told()).toEqual([
      'opened stopped gmail',
      'closed stopped gmail',
      'opened throttled gmail',
      'closed throttled gmail',
    ]);
  });

  it('is only told of where the tenant wants no more', async () => {
    policy = { ...defaultEmailDeliverability, enforce: false };
    await sent(2_000, 10);
    await watch();
    expect(await states()).toEqual(['bulk gmail stopped']);
    expect(await quotas()).toEqual([]);
    policy = defaultEmailDeliverability;
    expect((await watch(later(1_000), true)).quotasChanged).toBe(true);
    expect(await quotas()).toEqual([{ of: 'bulk@gmail', rate: null, dailyCap: 0 }]);
  });

  it('gets its quota back when somebody has taken it away', async () => {
    await sent(2_000, 10);
    await watch();
    await database.dataSource.query('delete from quotas');
    await watch(later(1_000), true);
    expect(await quotas()).toEqual([{ of: 'bulk@gmail', rate: null, dailyCap: 0 }]);
  });
});

describe('a person', () => {
  const lift = (at: Date) => database.transact((tx) => liftStream(tx, gmail, said, policies, at));

  it('lifts a stop, which what was counted by then does not bring back, and what comes then does', async () => {
    await sent(2_000, 10);
    await watch();
    // Counted by the time it is lifted, and not looked at yet.
    await sent(10, 5);
    expect((await lift(later(1_000)))?.after).toMatchObject({ state: 'ok', ...said });
    expect(await quotas()).toEqual([]);
    await watch(later(2_000), true);
    expect(await states()).toEqual(['bulk gmail ok']);
    await sent(600, 3);
    await watch(later(3_000));
    expect(await states()).toEqual(['bulk gmail stopped']);
    expect(
      (await database.transact((tx) => recentChanges(tx, 'demo', 10))).map(({ state, by }) => [state, by]),
    ).toEqual([
      ['stopped', null],
      ['ok', 'ops'],
      ['stopped', null],
    ]);
  });

  it('stops a stream of which nothing was counted, and lifts that', async () => {
    await database.transact((tx) => stopStream(tx, gmail, said, policies, now));
    expect(await quotas()).toEqual([{ of: 'bulk@gmail', rate: null, dailyCap: 0 }]);
    await watch(later(30 * leastMs), true);
    expect(await states()).toEqual(['bulk gmail stopped']);
    await lift(later(1_000));
    expect(await told()).toEqual(['opened stopped gmail', 'closed stopped gmail']);
    expect(await lift(later(2_000))).toBeUndefined();
  });

  it('is noted also where a stream is stopped already', async () => {
    await sent(2_000, 10);
    await watch();
    await database.transact((tx) => stopStream(tx, gmail, said, policies, later(1_000)));
    expect(await database.transact((tx) => recentChanges(tx, 'demo', 1))).toMatchObject([
      { at: later(1_000).toISOString(), previous: 'stopped', state: 'stopped', reason: 'operator', ...said },
    ]);
    expect(await told()).toEqual(['opened stopped gmail']);
  });

  it('is not overruled by a look that is under way', async () => {
    await sent(2_000, 10);
    const [, stopped] = await Promise.all([
      watch(),
      database.transact((tx) => stopStream(tx, { ...gmail, provider: 'yahoo' }, said, policies, now)),
    ]);
    expect(stopped.after.state).toBe('stopped');
    await watch(later(1_000), true);
    expect((await quotas()).map(({ of }) => of).sort()).toEqual(['bulk@gmail', 'bulk@yahoo']);
  });
});

it('folding loses and doubles nothing, while more is counted and others fold and read', async () => {
  const batches = 60;
  const work = [];
  for (let batch = 0; batch < batches; batch++) {
    work.push(sent(10, 1));
    if (batch % 5 === 0) work.push(database.transact((tx) => fold(tx)));
    if (batch % 7 === 0) {
      work.push(
        database.transact(async (tx) => {
          const [hour] = await readHours(tx, now);
          expect((hour?.delivered ?? 0) % 10).toBe(0);
          expect(hour?.complaints ?? 0).toBe((hour?.delivered ?? 0) / 10);
        }),
      );
    }
  }
  await Promise.all(work);
  await database.transact((tx) => fold(tx));
  const [hour] = await database.transact((tx) => readHours(tx, now));
  expect(hour).toMatchObject({ delivered: 10 * batches, complaints: batches });
});
