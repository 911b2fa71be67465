import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { TRANSACT } from '@signalbox/domain-service';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { testApi, type TestApi } from '@signalbox/testing/http';
import { kinds, type ParcelDatabase, parcelDatabase } from '../../test/parcels.ts';
import { QuotaBook } from './quota.book.ts';
import { quotaControllers } from './quota.controller.ts';
import type { GivenQuotas, QuotaKind } from './quota.rules.ts';
import { nameValue } from './quota.schemas.ts';
import { putQuota } from './quota.store.ts';

const tenant = { name: 'demo' } as Tenant;
const directory = { byName: (name: string) => (name === 'demo' ? tenant : undefined) } as TenantDirectory;
const given: GivenQuotas = [
  [
    { kind: 'city', value: 'rome' },
    { rate: 5, dailyCap: 10 },
  ],
];

const held: QuotaKind<never> = {
  name: 'held',
  plural: 'helds',
  description: 'what the service holds back',
  imposed: true,
  of: () => [],
  value: nameValue,
};

let database: ParcelDatabase;
let api: TestApi;
let changes = 0;

beforeAll(async () => {
  database = await parcelDatabase();
  const book = new QuotaBook(database.transact, directory, () => given);
  book.onChange(() => changes++);
  api = await testApi({
    controllers: quotaControllers([...kinds, held]),
    providers: [
      { provide: TRANSACT, useValue: database.transact },
      { provide: QuotaBook, useValue: book },
    ],
    tokens: { 'admin-token': { tenant, scopes: ['admin'] }, 'send-token': { tenant, scopes: ['send'] } },
  });
});
afterAll(async () => {
  await api.stop();
  await database.close();
});
beforeEach(async () => {
  await database.dataSource.query('truncate quotas, quota_buckets');
  changes = 0;
});

const list = async () =>
  (await api.call<{ quotas: Record<string, unknown>[] }>('GET', '/v1/quotas')).json.quotas.map(
    ({ kind, value, source }) => [kind, value, source],
  );

it('sets quotas of each kind in front of the tenant file’s, and takes them back', async () => {
  expect(await list()).toEqual([['city', 'rome', 'file']]);
  const put = await api.call('PUT', '/v1/quotas/cities/ROME', { rate: 1 });
  expect(put).toMatchObject({
    status: 200,
    json: { kind: 'city', value: 'rome', limits: { rate: 1, burst: 1, dailyCap: null }, source: 'runtime' },
  });
  expect((await api.call('PUT', '/v1/quotas/account', { dailyCap: 7 })).json).toMatchObject({
    kind: 'account',
    value: '',
    usedToday: 0,
  });
  expect(changes).toBe(2);
  expect((await list()).sort()).toEqual([
    ['account', '', 'runtime'],
    ['city', 'rome', 'runtime'],
  ]);
  expect((await api.call('DELETE', '/v1/quotas/cities/Rome')).status).toBe(204);
  expect((await api.call('DELETE', '/v1/quotas/account')).status).toBe(204);
  expect(await list()).toEqual([['city', 'rome', 'file']]);
});

it.each<[string, string, string, unknown, string, number]>([
  ['one that was not set', 'DELETE', '/v1/quotas/cities/oslo', undefined, 'admin-token', 404],
  ['a value the tenant does not have', 'PUT', '/v1/quotas/cities/atlantis', { rate: 1 }, 'admin-token', 422],
  ['a kind there is none of', 'PUT', '/v1/quotas/senders/rome', { rate: 1 }, 'admin-token', 404],
  ['limits that make no sense', 'PUT', '/v1/quotas/account', { burst: 1 }, 'admin-token', 400],
  ['who may not', 'PUT', '/v1/quotas/account', { rate: 1 }, 'send-token', 403],
])('refuses %s', async (_label, method, path, body, token, status) => {
  expect((await api.call(method, path, body, token)).status).toBe(status);
  expect(changes).toBe(0);
});

it('is described with the kinds of the service', async () => {
  const { json } = await api.call<{ paths: object }>('GET', '/openapi.json');
  expect(Object.keys(json.paths).filter((path) => path.startsWith('/v1'))).toEqual([
    '/v1/quotas',
    '/v1/quotas/account',
    '/v1/quotas/cities/{city}',
  ]);
});

it('shows what the service itself holds back, and lets nobody set it', async () => {
  await database.transact((tx) => putQuota(tx, 'demo', { kind: 'held', value: 'rome' }, { dailyCap: 0 }));
  expect(await list()).toContainEqual(['held', 'rome', 'runtime']);
  expect((await api.call('PUT', '/v1/quotas/helds/rome', { rate: 1 }, 'admin-token')).status).toBe(404);
  expect((await api.call('DELETE', '/v1/quotas/helds/rome', undefined, 'admin-token')).status).toBe(404);
});
