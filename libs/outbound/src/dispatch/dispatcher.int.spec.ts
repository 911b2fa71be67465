import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeAll } from '@signalbox/persistence';
import { counter, createLogger, gauge } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { eventually } from '@signalbox/testing';
import { attempts, OutgoingParcels, type Parcel, type ParcelDatabase, parcelDatabase } from '../../test/parcels.ts';
import { newAttempt } from '../attempt/attempt.ts';
import { type DispatchMetrics } from '../metrics.ts';
import { QuotaBook } from '../quota/quota.book.ts';
import type { GivenQuotas } from '../quota/quota.rules.ts';
import { Dispatcher } from './dispatcher.ts';

const metrics: DispatchMetrics = {
  inFlight: gauge('signalbox_spec_in_flight', 'spec'),
  sendAttempts: counter('signalbox_spec_send_attempts_total', 'spec', ['outcome']),
  circuitOpen: gauge('signalbox_spec_circuit_open', 'spec', ['tenant']),
  concurrencyLimit: gauge('signalbox_spec_concurrency_limit', 'spec', ['tenant']),
};
const tenants: Pick<TenantDirectory, 'byName'> = { byName: (name) => ({ name }) as Tenant };
const config = {
  DISPATCH_CONCURRENCY: 8,
  DISPATCH_POLL_MS: 20,
  CREDENTIALS_PROBE_MS: 1_000,
  PROVIDER_TIMEOUT_MS: 10_000,
};

describe('the dispatcher, with a table and a call that are not messages', () => {
  let database: ParcelDatabase;
  let outgoing: OutgoingParcels;
  let running: Dispatcher<Parcel>[] = [];

  beforeAll(async () => (database = await parcelDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query('truncate parcels, attempts, quotas, quota_buckets');
    outgoing = new OutgoingParcels();
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  function start(given: GivenQuotas = []): Dispatcher<Parcel> {
    const { transact } = database;
    const quotas = new QuotaBook(transact, tenants, () => given);
    const log = createLogger('spec', { level: 'silent' });
    const dispatcher = new Dispatcher<Parcel>({ outgoing, transact, quotas, tenants, config, metrics, log });
    dispatcher.start();
    running.push(dispatcher);
    return dispatcher;
  }
  const done = async () =>
    (await database.dataSource.query<unknown[]>('select from parcels where done and due_at is null')).length;
  const lines = async () => {
    const waiting = await database.dataSource.query<{ queue: string }[]>('select queue from parcels where not done');
    return waiting.map(({ queue }) => queue);
  };
  const outcomes = () =>
    database.dataSource.query<{ state: string; error: string | null; count: number }[]>(
      `select state, count(*)::int as count from attempts group by state order by state`,
    );

  it('sends each once, though two replicas look', async () => {
    await database.add(100);
    start();
    start();
    await eventually(async () => expect(await done()).toBe(100));
    expect(new Set(outgoing.sent.map(({ id }) => id)).size).toBe(100);
    expect(outgoing.sent).toHaveLength(100);
    expect(await outcomes()).toEqual([{ state: 'accepted', count: 100 }]);
  });

  it('sends what is turned away again, and gives its part of the cap back', async () => {
    let turned = 0;
    const accept = outgoing.answer;
    outgoing.answer = (parcel) =>
      turned++ < 3
        ? {
            kind: 'deferred',
            error: { code: 'busy', class: 'retryable', title: 'Busy', remedy: '' },
            httpStatus: null,
            retryAfterMs: null,
          }
        : accept(parcel);
    await database.add(5);
    start([[{ kind: 'account', value: '' }, { dailyCap: 5 }]]);
    await eventually(async () => expect(await done()).toBe(5));
    expect(outgoing.sent).toHaveLength(8);
    const [bucket] = await database.dataSource.query<{ used: number }[]>('select used from quota_buckets');
    expect(bucket?.used).toBe(5);
  });

  it('passes over the line whose quota is used up, and goes on with the others', async () => {
    await database.add(3, 'rome');
    await database.add(3, 'oslo');
    start([[{ kind: 'city', value: 'rome' }, { dailyCap: 1 }]]);
    await eventually(async () => expect(await done()).toBe(4));
    const cities = outgoing.sent.map(({ city }) => city).sort();
    expect(cities).toEqual(['oslo', 'oslo', 'oslo', 'rome']);
    await eventually(async () => expect(await lines()).toEqual(['city:rome', 'city:rome']));
  });

  it('takes the next way where the cap of the first is reached, and waits where that of the last is', async () => {
    outgoing.ways = (parcel) => [
      { ...parcel, city: 'rome' },
      { ...parcel, city: 'oslo' },
    ];
    await database.add(9, 'rome');
    start([
      [{ kind: 'city', value: 'rome' }, { dailyCap: 2 }],
      [{ kind: 'city', value: 'oslo' }, { dailyCap: 4 }],
    ]);
    start([
      [{ kind: 'city', value: 'rome' }, { dailyCap: 2 }],
      [{ kind: 'city', value: 'oslo' }, { dailyCap: 4 }],
    ]);
    await eventually(async () => expect(await done()).toBe(6));
    expect(outgoing.sent.map(({ city }) => city).sort()).toEqual(['oslo', 'oslo', 'oslo', 'oslo', 'rome', 'rome']);
    await eventually(async () => expect(await lines()).toEqual(Array(3).fill('city:rome||city:oslo')));
  });

  it('goes on with what is held in a line as soon as it may go another way', async () => {
    await database.add(4, 'rome');
    start([
      [{ kind: 'city', value: 'rome' }, { dailyCap: 1 }],
      [{ kind: 'city', value: 'oslo' }, { dailyCap: 10 }],
    ]);
    await eventually(async () => expect(await lines()).toEqual(Array(3).fill('city:rome')));
    outgoing.ways = (parcel) => [parcel, { ...parcel, city: 'oslo' }];
    await eventually(async () => expect(await done()).toBe(4));
    expect(outgoing.sent.map(({ city }) => city).sort()).toEqual(['oslo', 'oslo', 'oslo', 'rome']);
  });

  it('gives back what was refused, to the way on which it was counted', async () => {
    const refused = { code: 'no', class: 'terminal', title: 'No', remedy: '' } as const;
    outgoing.ways = (parcel) => [
      { ...parcel, city: 'rome' },
      { ...parcel, city: 'oslo' },
    ];
    outgoing.answer = () => ({ kind: 'refused', error: refused, httpStatus: 400 });
    await database.add(6, 'rome');
    start([
      [{ kind: 'city', value: 'rome' }, { dailyCap: 2 }],
      [{ kind: 'city', value: 'oslo' }, { dailyCap: 10 }],
    ]);
    await eventually(async () => expect(await outcomes()).toEqual([{ state: 'refused', count: 6 }]));
    const buckets = await database.dataSource.query<{ used: number }[]>('select used from quota_buckets');
    expect(buckets).toEqual([{ used: 0 }, { used: 0 }]);
  });

  it('puts off what could not be looked at once more before its call, and is in no doubt about it', async () => {
    let failed = 0;
    outgoing.reconsider = async () => {
      if (failed++ < 2) throw new Error('the database is away');
      return undefined;
    };
    await database.add(3);
    start();
    await eventually(async () => expect(await done()).toBe(3));
    expect(outgoing.sent).toHaveLength(3);
    expect(await outcomes()).toEqual([
      { state: 'accepted', count: 3 },
      { state: 'deferred', count: 2 },
    ]);
  });

  it('gives back at a stop what it has claimed and not called', async () => {
    const gate = Promise.withResolvers<void>();
    const accept = outgoing.answer;
    outgoing.answer = async (parcel) => {
      await gate.promise;
      return accept(parcel);
    };
    await database.add(30);
    const dispatcher = start();
    await eventually(() => expect(outgoing.sent).not.toHaveLength(0));
    const stopped = dispatcher.stop();
    const called = outgoing.sent.length;
    gate.resolve();
    await stopped;
    expect(outgoing.sent).toHaveLength(called);
    expect(await done()).toBe(called);
    expect(await outcomes()).toEqual([
      { state: 'accepted', count: called },
      { state: 'deferred', count: 30 - called },
    ]);
  });
});

describe('an id of the provider', () => {
  let database: ParcelDatabase;
  beforeAll(async () => (database = await parcelDatabase()));
  afterAll(() => database.close());

  it("belongs to one attempt of a tenant, and another tenant that names it stands in nobody's way", async () => {
    await database.add(2);
    await database.add(1, 'rome', 'transactional', 'other');
    const rows = await database.dataSource.query<{ id: string }[]>('select id from parcels order by tenant, id');
    const ids = rows.map(({ id }) => id);
    const opened = ids.map((id) => newAttempt(id, 1, 'pod/1', new Date(), 30_000));
    await database.transact((tx) => writeAll(tx, [attempts.opened(opened)]));
    const settle = (index: number) => {
      const attempt = opened[index];
      if (!attempt) throw new Error('no such attempt');
      const settled = { ...attempt, state: 'accepted' as const, providerSid: 'P1' };
      return database.transact((tx) => writeAll(tx, [attempts.settled([settled])]));
    };
    await settle(2);
    await settle(0);
    await expect(settle(1)).rejects.toMatchObject({ constraint: 'attempts_provider_sid' });
    const claimed = await database.dataSource.query<object[]>(
      'select m.tenant = a.tenant as own, a.provider_sid from attempts a join parcels m on m.id = a.parcel_id where a.tenant is not null',
    );
    expect(claimed).toEqual([
      { own: true, provider_sid: 'P1' },
      { own: true, provider_sid: 'P1' },
    ]);
  });
});

describe('attempts', () => {
  let database: ParcelDatabase;
  beforeAll(async () => (database = await parcelDatabase()));
  afterAll(() => database.close());

  it('are in doubt when their lease has run out, and looked at by one replica at a time', async () => {
    await database.add(2);
    const at = (ms: number) => new Date(Date.now() + ms);
    const { transact } = database;
    const rows = await database.dataSource.query<{ id: string }[]>('select id from parcels order by id');
    const [first = '', second = ''] = rows.map(({ id }) => id);
    const opened = [first, second].map((id) => newAttempt(id, 1, 'pod/1', at(-60_000), 30_000));
    await transact((tx) => writeAll(tx, [attempts.opened(opened)]));
    await transact((tx) => attempts.doubtUnanswered(tx, at(0), at(-1), 1));
    await transact((tx) => attempts.doubtUnanswered(tx, at(0), at(-1), 10));
    const taken = await transact((tx) => attempts.takeDoubtful(tx, at(0), at(60_000), 1));
    const others = await transact((tx) => attempts.takeDoubtful(tx, at(0), at(60_000), 10));
    expect([...taken, ...others].map(({ itemId }) => itemId).sort()).toEqual([first, second]);
    expect(await transact((tx) => attempts.takeDoubtful(tx, at(0), at(60_000), 10))).toEqual([]);
    await transact((tx) => attempts.extendLeases(tx, taken, at(-1)));
    expect(await transact((tx) => attempts.takeDoubtful(tx, at(0), at(60_000), 10))).toMatchObject([
      { itemId: taken[0]?.itemId, number: 1, state: 'in_doubt' },
    ]);
  });
});
