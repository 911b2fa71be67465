import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TRANSACT } from '@signalbox/domain-service';
import { testApi, type TestApi } from '@signalbox/testing/http';
import { tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase } from '../../test/database.ts';
import { AnalyticsController } from './analytics.controller.ts';
import { watch } from './watch.ts';

let database: MessagingDatabase;
let api: TestApi;

beforeAll(async () => {
  database = await messagingDatabase();
  api = await testApi({
    controllers: [AnalyticsController],
    providers: [{ provide: TRANSACT, useValue: database.transact }],
    tokens: { 'admin-token': { tenant, scopes: ['admin'] }, 'read-token': { tenant, scopes: ['read'] } },
  });
  const rows = [
    ['demo', '+1415', 'US', '', 900, 900, 0, 0],
    ['demo', '+1415', 'US', '30003', 0, 0, 80, 0],
    ['demo', '+1415', 'US', '30007', 0, 0, 20, 0],
    ['demo', '+1415', 'US', 'suppressed', 0, 0, 0, 7],
    ['demo', '+49151', 'DE', '', 100, 100, 0, 0],
    ['demo', '+49151', 'DE', '30003', 0, 0, 1, 0],
    ['other', '+1415', 'US', '30003', 0, 0, 5000, 0],
  ];
  for (const row of rows) {
    for (const table of ['hourly', 'daily']) {
      const unit = table === 'hourly' ? 'hour' : 'day';
      await database.dataSource.query(
        `insert into analytics_${table} (tenant, at, sender, carrier, prefix, country, code, handed_over, delivered, failed, rejected, expired, canceled)
         values ($1, date_trunc('${unit}', now(), 'utc'), 'MG1', '', $2, $3, $4, $5, $6, $7, $8, 0, 0)`,
        row,
      );
    }
  }
});
afterAll(async () => {
  await api.stop();
  await database.close();
});

const call = (path: string, method = 'GET', token = 'admin-token') => api.call(method, path, undefined, token);

const week = () => new Date(Date.now() - 7 * 24 * 3_600_000).toISOString();

it.each([
  ['from the hours', ''],
  ['from the days', `&from=${week()}`],
])('tells failures by country, with what the codes mean, %s', async (_label, from) => {
  const { status, json } = await call(`/v1/analytics/errors?by=country${from}`, 'GET', 'read-token');
  expect(status).toBe(200);
  expect(json).toMatchObject({
    totals: { delivered: 1000, failures: 101, rejected: 7, total: 1101 },
    rows: [
      {
        country: 'US',
        handedOver: 900,
        delivered: 900,
        failures: 100,
        rejected: 7,
        total: 1000,
        rate: 0.1,
        codes: [
          {
            code: '30003',
            count: 80,
            class: 'terminal',
            title: 'The handset is unreachable',
            remedy: expect.any(String),
          },
          { code: '30007', count: 20 },
          { code: 'suppressed', count: 7, class: null },
        ],
      },
      { country: 'DE', failures: 1, total: 101 },
    ],
  });
});

it('measures a code against all that ended in the same place', async () => {
  const { json } = await call('/v1/analytics/errors?by=code,country');
  expect(json?.['rows']).toMatchObject([
    { code: '30003', country: 'US', failures: 80, total: 1000, rate: 0.08, title: 'The handset is unreachable' },
    { code: '30007', country: 'US', failures: 20, total: 1000, rate: 0.02 },
    { code: '30003', country: 'DE', failures: 1, total: 101 },
    { code: 'suppressed', country: 'US', failures: 0, rejected: 7 },
  ]);
});

it('answers with nothing where there is nothing', async () => {
  const { json } = await call('/v1/analytics/errors?by=sender&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z');
  expect(json).toMatchObject({ totals: { total: 0, rate: null }, rows: [] });
});

it.each(['by=colour', 'from=yesterday', 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'limit=0', 'by='])(
  'refuses %s',
  async (query) => {
    expect((await call(`/v1/analytics/errors?${query}`)).status).toBe(400);
  },
);

it('lists blocked prefixes and anomalies, and lifts a block for good', async () => {
  await database.dataSource.query(
    `insert into analytics_hourly values
     ('demo', date_trunc('hour', now(), 'utc'), '+994501', 'MG1', '30453', 'AZ', '', 0, 0, 60, 0, 0, 0)`,
  );
  const look = () =>
    database.transact((tx) =>
      watch(tx, { minVolume: 50, blockMs: 3_600_000, homeCountries: () => new Set() }, new Date()),
    );
  const pumping = async () =>
    ((await call('/v1/analytics/anomalies')).json?.['anomalies'] as { kind: string; closedAt: string | null }[]).filter(
      ({ kind }) => kind === 'sms_pumping',
    );
  await look();
  expect((await call('/v1/analytics/blocked-prefixes', 'GET', 'read-token')).status).toBe(403);
  expect((await call('/v1/analytics/blocked-prefixes')).json).toMatchObject({
    blockedPrefixes: [{ prefix: '+994501', signs: ['undelivered', 'fraud_codes'] }],
  });
  expect(await pumping()).toMatchObject([{ scope: { prefix: '+994501' }, closedAt: null }]);

  expect((await call('/v1/analytics/blocked-prefixes/+994501', 'DELETE')).status).toBe(204);
  await look();
  expect((await call('/v1/analytics/blocked-prefixes')).json).toEqual({ blockedPrefixes: [] });
  expect(await pumping()).toMatchObject([{ closedAt: expect.any(String) }]);
  expect((await call('/v1/analytics/blocked-prefixes/+994501', 'DELETE')).status).toBe(404);
});
