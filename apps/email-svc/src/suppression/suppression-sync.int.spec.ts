import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { createLogger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { eventually } from '@signalbox/testing';
import { tenant as demo } from '../../test/builders.ts';
import { type EmailDatabase, emailDatabase } from '../../test/database.ts';
import { type SendgridStub, sendgridStub } from '../../test/sendgrid-stub.ts';
import type { EmailConfig } from '../config.ts';
import { suppressionsUntold } from '../metrics.ts';
import { SuppressionSync } from './suppression-sync.ts';
import { applyRequests, countUntold } from './suppression.store.ts';

const logger = createLogger('spec', { level: 'silent' });
const config = { PROVIDER_TIMEOUT_MS: 5_000, SUPPRESSION_SYNC_MS: 60_000, SUPPRESSION_PUSH_MS: 60_000 } as EmailConfig;

let database: EmailDatabase;
let sendgrid: SendgridStub;
beforeAll(async () => {
  database = await emailDatabase();
  sendgrid = await sendgridStub();
});
afterAll(async () => {
  await sendgrid.stop();
  await database.close();
});
beforeEach(async () => {
  sendgrid.reset();
  await database.dataSource.query('truncate suppressions, suppression_changes, suppression_syncs, outbox');
});

const tenantHere = () => ({ ...demo, sendgrid: { ...demo.sendgrid, baseUrl: sendgrid.url } });
const replica = () => {
  const tenants = { all: [tenantHere()] } as unknown as TenantDirectory;
  return new SuppressionSync(database.transact, tenants, config, logger);
};
const decide = (state: 'opted_out' | 'opted_in', recipient: string, scope = '*') =>
  database.transact((tx) =>
    applyRequests(tx, [
      { tenant: 'demo', recipient, scope, state, reason: 'api', source: null, at: new Date().toISOString() },
    ]),
  );
const told = () => sendgrid.calls.map(({ method, path }) => `${method} ${path}`);
const untold = () => database.transact((tx) => countUntold(tx, ['demo']));

it('what one replica is about to tell no other one overtakes: the last word is what holds', async () => {
  const [one, other] = [replica(), replica()];
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  sendgrid.answerAfter(answered);
  await decide('opted_out', 'a@example.com', 'group:7');
  const telling = one.tellAll();
  await eventually(() => expect(told()).toEqual(['POST /v3/asm/groups/7/suppressions']));
  await decide('opted_in', 'a@example.com', 'group:7');
  expect(await other.tellAll()).toBe(false);
  expect(told()).toHaveLength(1);
  answer();
  await telling;
  await other.tellAll();
  expect(told()).toEqual([
    'POST /v3/asm/groups/7/suppressions',
    'DELETE /v3/asm/groups/7/suppressions/a%40example.com',
  ]);
  expect(await untold()).toBe(0);
});

it('a replica that died while it told keeps the others waiting no longer than its turn lasts', async () => {
  await decide('opted_out', 'a@example.com');
  await database.dataSource.query(
    `insert into suppression_syncs values ('demo', now(), 0, gen_random_uuid(), now() + interval '1 minute')`,
  );
  await replica().tellAll();
  expect(told()).toEqual([]);
  await database.dataSource.query(`update suppression_syncs set telling_until = now() - interval '1 second'`);
  await replica().tellAll();
  expect(told()).toEqual(['POST /v3/asm/suppressions/global']);
});

it('counts as untold what should have been told long ago, and not what has just changed', async () => {
  const counted = async () => (await suppressionsUntold.get()).values.map(({ value }) => value);
  await decide('opted_out', 'a@example.com');
  await replica().tellAll();
  expect(await counted()).toEqual([0]);
  await decide('opted_out', 'b@example.com');
  await database.dataSource.query(`update suppressions set changed_at = now() - interval '6 minutes'`);
  await replica().tellAll();
  expect(await counted()).toEqual([1]);
});

it('reads the members of groups, unless there are more than fit in one answer; the other lists all the same', async () => {
  const created = Math.floor(Date.now() / 1000);
  sendgrid.setMembers([{ email: 'member@example.com', group_id: 7, created_at: created }]);
  sendgrid.lists.set('bounces', [{ email: 'bounced@example.com', created }]);
  sendgrid.setUnsubscribes(300_001);
  expect(await replica().read(tenantHere(), 0)).toBe(1);
  expect(told()).not.toContain('GET /v3/asm/suppressions');
  expect(await replica().listed(tenantHere(), 1_000)).toBeUndefined();
  sendgrid.setUnsubscribes(300_000);
  expect(await replica().read(tenantHere(), 0)).toBe(1);
  const rows = await database.dataSource.query<{ recipient: string }[]>(
    'select recipient from suppressions order by 1',
  );
  expect(rows.map(({ recipient }) => recipient)).toEqual(['bounced@example.com', 'member@example.com']);
});
