import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Module } from '@nestjs/common';
import type { TotpFactorChanged } from '@signalbox/contracts';
import { TRANSACT } from '@signalbox/domain-service';
import { type RunningService, startService, TOKEN_DIRECTORY } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { Secret, TOTP } from 'otpauth';
import { z } from 'zod';
import { outboxEvents, type VerifyDatabase, verifyDatabase } from '../../test/database.ts';
import { KeyedHash } from '../keyed-hash.ts';
import type { KeyRing } from './seal.ts';
import { TotpChores } from './totp.chores.ts';
import { TotpController } from './totp.controller.ts';
import { Totp } from './totp.ts';

@Module({})
class TestModule {}

const oldKey = randomBytes(32);
const newKey = randomBytes(32);
const hash = new KeyedHash({ HASH_KEY: 'a key of the hashes in this spec, long' });
const totpWith = (keys: KeyRing) => new Totp({ TOTP_KEYS: keys, TOTP_DRIFT_STEPS: 1 }, hash);
const keys: KeyRing = new Map([['old', oldKey]]);
const rotated: KeyRing = new Map([
  ['new', newKey],
  ['old', oldKey],
]);
const totp = totpWith(keys);

const realTimers = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

let database: VerifyDatabase;
let api: RunningService;

beforeAll(async () => {
  // The clock stands still, in the middle of a step: the next code must not begin between two lines of a test.
  jest.useFakeTimers({ now: new Date('2026-11-24T18:00:15.000Z'), doNotFake: [...realTimers] });
  database = await verifyDatabase();
  const holders: Record<string, object> = {
    send: { tenant: { name: 'demo' }, scopes: ['send'] },
    read: { tenant: { name: 'demo' }, scopes: ['read'] },
    stranger: { tenant: { name: 'stranger' }, scopes: ['admin'] },
  };
  api = await startService(
    {
      name: 'totp-spec',
      port: 0,
      config: z.object({}),
      module: () => ({
        module: TestModule,
        controllers: [TotpController],
        providers: [
          { provide: TRANSACT, useValue: database.transact },
          { provide: TOKEN_DIRECTORY, useValue: { byApiToken: (token: string) => holders[token] } },
          { provide: Totp, useValue: totp },
        ],
      }),
      openapi: { title: 'spec' },
    },
    { PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'silent' },
  );
});
afterAll(async () => {
  await api.stop();
  await database.close();
  jest.useRealTimers();
});
beforeEach(() => database.dataSource.query('truncate totp_factors, totp_recovery_codes, outbox'));

async function call(path: string, { method = 'POST', body = undefined as object | undefined, token = 'send' } = {}) {
  const response = await fetch(`${api.url}/v1/totp/factors${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, json, retryAfter: response.headers.get('retry-after') };
}

const enrol = async (subject: string) => {
  const { status, json } = await call('', { body: { subject, issuer: 'Example', account: 'a@example.com' } });
  expect(status).toBe(201);
  return { id: String(json['factorId']), secret: String(json['secret']) };
};

/** What the user's authenticator shows now, or so many steps from now. */
const shown = (secret: string, steps = 0) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
const wrongFor = (secret: string) => {
  const right = [-2, -1, 0, 1, 2].map((steps) => shown(secret, steps));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code)) ?? '';
};

/** An active factor of which no code has been used but that of the step before. */
async function active(subject: string = randomUUID()) {
  const { id, secret } = await enrol(subject);
  const { json } = await call(`/${id}/verify`, { body: { code: shown(secret, -1) } });
  return { id, secret, subject, recoveryCodes: json['recoveryCodes'] as string[] };
}

const changes = async () =>
  (await outboxEvents<TotpFactorChanged>(database)).map(({ data }) => `${data.sequence} ${data.change}`);

describe('an authenticator', () => {
  it('is enrolled, activated and used, and each code is right once', async () => {
    const { id, secret } = await enrol('user-7');
    expect((await call(`/${id}/check`, { body: { code: shown(secret) } })).status).toBe(404);
    expect((await call(`/${id}/verify`, { body: { code: wrongFor(secret) } })).json).toMatchObject({ approved: false });
    const verified = await call(`/${id}/verify`, { body: { code: shown(secret, -1) } });
    expect(verified).toMatchObject({ status: 200, json: { approved: true, state: 'active' } });
    expect(verified.json['recoveryCodes']).toHaveLength(10);
    expect((await call(`/${id}/verify`, { body: { code: shown(secret) } })).status).toBe(409);

    expect((await call(`/${id}/check`, { body: { code: shown(secret, -1) } })).json).toEqual({ approved: false });
    expect((await call(`/${id}/check`, { body: { code: shown(secret) } })).json).toEqual({ approved: true });
    expect((await call(`/${id}/check`, { body: { code: shown(secret) } })).json).toEqual({ approved: false });
    expect(await changes()).toEqual(['1 enrolled', '2 activated', '3 approved']);

    const list = await call('?subject=user-7', { method: 'GET', token: 'read' });
    expect(list.json['factors']).toMatchObject([{ factorId: id, state: 'active', recoveryCodesLeft: 10 }]);
    expect((await call(`/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await call(`/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await call(`/${id}/check`, { body: { code: shown(secret, 1) } })).status).toBe(404);
    expect(await changes()).toContain('4 deleted');
  });

  it('approves one of twenty that come at once with the same code', async () => {
    const { id, secret, subject } = await active();
    const code = shown(secret);
    const direct = Array.from({ length: 10 }, async () => {
      const { status, json } = await call(`/${id}/check`, { body: { code } });
      return status === 200 ? json['approved'] : status;
    });
    const bySubject = Array.from({ length: 10 }, async () => {
      const result = await database.transact((tx) => totp.check(tx, { tenant: 'demo', subject, code }, new Date()));
      return result === 'approved';
    });
    const results = await Promise.all([...direct, ...bySubject]);
    expect(results.filter((result) => result === true)).toHaveLength(1);
  });

  it('looks at five wrong codes, then says when to come back', async () => {
    const { id, secret } = await active();
    const code = wrongFor(secret);
    const answers = await Promise.all(Array.from({ length: 9 }, () => call(`/${id}/check`, { body: { code } })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(4);
    expect(Number(refused[0]?.json['retryAfter'])).toBeGreaterThan(800);
    expect(Number(refused[0]?.retryAfter)).toBe(refused[0]?.json['retryAfter']);
    expect((await call(`/${id}/check`, { body: { code: shown(secret) } })).status).toBe(429);
  });

  it('can be lost: each recovery code works once, and new ones take their place', async () => {
    const { id, recoveryCodes } = await active();
    const [first = '', second = ''] = recoveryCodes;
    const uses = await Promise.all([1, 2, 3].map(() => call(`/${id}/check`, { body: { code: first } })));
    expect(uses.filter(({ json }) => json['approved'] === true)).toHaveLength(1);
    const renewed = (await call(`/${id}/recovery-codes`)).json['recoveryCodes'] as string[];
    expect((await call(`/${id}/check`, { body: { code: second } })).json).toEqual({ approved: false });
    const typed = (renewed[0] ?? '').toLowerCase().replace('-', '');
    expect((await call(`/${id}/check`, { body: { code: typed } })).json).toEqual({ approved: true });
    expect(await changes()).toEqual([
      '1 enrolled',
      '2 activated',
      '3 approved_by_recovery_code',
      '4 recovery_codes_renewed',
      '5 approved_by_recovery_code',
    ]);
  });

  it('of several of a user any will do, and using one does not lock another', async () => {
    const subject = randomUUID();
    const phone = await active(subject);
    const tablet = await active(subject);
    const check = (code: string) =>
      database.transact((tx) => totp.check(tx, { tenant: 'demo', subject, code }, new Date()));
    expect(await check(shown(tablet.secret))).toBe('approved');
    expect(await check(shown(tablet.secret))).toBe('wrong');
    for (let step = 0; step < 4; step++) expect(await check(tablet.recoveryCodes[step] ?? '')).toBe('approved');
    expect(await check(shown(phone.secret))).toBe('approved');
    const code = wrongFor(phone.secret) === wrongFor(tablet.secret) ? wrongFor(phone.secret) : '999999';
    for (let wrong = 0; wrong < 4; wrong++) expect(await check(code)).toBe('wrong');
    expect(await check(shown(phone.secret, 1))).toBe('locked');
  });

  it('is unknown to other tenants, and to those without the scope', async () => {
    const { id, secret } = await active('user-7');
    const code = shown(secret);
    expect((await call(`/${id}/check`, { body: { code }, token: 'stranger' })).status).toBe(404);
    expect((await call(`/${id}`, { method: 'DELETE', token: 'stranger' })).status).toBe(404);
    expect((await call('?subject=user-7', { method: 'GET', token: 'stranger' })).json).toEqual({ factors: [] });
    expect((await call(`/${id}/check`, { body: { code }, token: 'read' })).status).toBe(403);
    const other = { tenant: 'stranger', subject: 'user-7', code };
    expect(await database.transact((tx) => totp.check(tx, other, new Date()))).toBe('wrong');
    expect((await call(`/${id}/check`, { body: { code } })).json).toEqual({ approved: true });
  });

  it('is one of five at most, and a new enrolment replaces one that was not finished', async () => {
    const subject = randomUUID();
    const first = await enrol(subject);
    const second = await enrol(subject);
    expect((await call(`/${first.id}/verify`, { body: { code: shown(first.secret) } })).status).toBe(404);
    expect((await call(`/${second.id}/verify`, { body: { code: shown(second.secret) } })).status).toBe(200);
    for (let index = 0; index < 4; index++) await active(subject);
    const body = { subject, issuer: 'Example', account: 'a@example.com' };
    expect((await call('', { body })).status).toBe(409);
  });

  it.each([
    ['without a subject', { issuer: 'Example', account: 'a@example.com' }],
    ['with a colon in its issuer', { subject: 'u', issuer: 'Ex:ample', account: 'a@example.com' }],
    ['with an empty account', { subject: 'u', issuer: 'Example', account: ' ' }],
  ])('is not enrolled %s', async (_label, body) => {
    expect((await call('', { body })).status).toBe(400);
  });
});

describe('secrets', () => {
  it('are not in the database in clear, nor in events', async () => {
    const { secret, recoveryCodes } = await active();
    const [row] = await database.dataSource.query<{ all: string }[]>(
      `select concat((select string_agg(f::text, '') from totp_factors f),
         (select string_agg(r::text, '') from totp_recovery_codes r), (select string_agg(o::text, '') from outbox o)) as all`,
    );
    const all = row?.all ?? '';
    expect(all).toContain('demo');
    for (const clear of [secret, Buffer.from(Secret.fromBase32(secret).bytes).toString('hex'), ...recoveryCodes])
      expect(all).not.toContain(clear);
  });

  it('are sealed with the newest key when they are used', async () => {
    const { id, secret } = await active();
    const keyIds = async () =>
      (await database.dataSource.query<{ key_id: string }[]>('select key_id from totp_factors')).map(
        (row) => row.key_id,
      );
    expect(await keyIds()).toEqual(['old']);
    const check = (ring: KeyRing, code: string) =>
      database.transact((tx) => totpWith(ring).checkFactor(tx, 'demo', id, code, new Date()));
    expect(await check(rotated, shown(secret))).toMatchObject({ result: 'approved' });
    expect(await keyIds()).toEqual(['new']);
    expect(await check(new Map([['new', newKey]]), shown(secret, 1))).toMatchObject({ result: 'approved' });
  });

  it('that no key opens keep the service from starting', async () => {
    await active();
    const chores = (ring: KeyRing) =>
      new TotpChores(database.transact, totpWith(ring), { TOTP_KEYS: ring }, createLogger('spec', { level: 'silent' }));
    await expect(chores(new Map([['new', newKey]])).onApplicationBootstrap()).rejects.toThrow('old');
    const fine = chores(rotated);
    await fine.onApplicationBootstrap();
    await fine.onApplicationShutdown();
  });

  it('cannot be put in the place of another', async () => {
    const mine = await active();
    const theirs = await active();
    await database.dataSource.query(
      `update totp_factors set sealed = (select sealed from totp_factors where id = $1) where id = $2`,
      [mine.id, theirs.id],
    );
    expect((await call(`/${theirs.id}/check`, { body: { code: shown(mine.secret) } })).status).toBe(500);
  });
});

it('what nobody has finished is gone after an hour, with an event', async () => {
  const { id, secret } = await enrol('user-7');
  const soon = new Date(Date.now() + 59 * 60_000);
  const later = new Date(Date.now() + 61 * 60_000);
  expect(await database.transact((tx) => totp.clearUnfinished(tx, soon, 10))).toBe(0);
  const late = await database.transact((tx) => totp.activate(tx, 'demo', id, shown(secret, 122), later));
  expect(late).toEqual({ result: 'unknown' });
  expect(await database.transact((tx) => totp.clearUnfinished(tx, later, 10))).toBe(1);
  expect(await changes()).toEqual(['1 enrolled', '2 deleted']);
});

it('without keys nobody can enrol, and every code is wrong', async () => {
  const none = totpWith(new Map());
  expect(none.isSetUp).toBe(false);
  const asked = { tenant: 'demo', subject: 'user-7', code: '123456' };
  expect(await database.transact((tx) => none.check(tx, asked, new Date()))).toBe('wrong');
});
