import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transaction } from '@signalbox/persistence';
import { testApi, type TestApi } from '@signalbox/testing/http';
import type { TenantDirectory } from '@signalbox/tenants';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { acceptorConfig, noQuotas, silent, tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase } from '../../test/database.ts';
import { Acceptor, type SendAsked } from '../acceptance/acceptor.ts';
import { MessageController } from './message.controller.ts';

const other = { ...tenant, name: 'other' };
/** May have one message in line. */
const small = { ...tenant, name: 'small', quotas: { senders: {}, prefixes: {}, maxWaiting: 2 } };
const holders = new Map([
  ['demo-token', tenant],
  ['other-token', other],
  ['small-token', small],
]);

/** Fails for what no check has foreseen. */
class BrittleAcceptor extends Acceptor {
  override accept(tx: Transaction, asked: readonly SendAsked[]) {
    if (asked.some(({ command }) => command.body === 'unforeseen')) return Promise.reject(new RangeError('unforeseen'));
    return super.accept(tx, asked);
  }
}

let database: MessagingDatabase;
let api: TestApi;

beforeAll(async () => {
  database = await messagingDatabase();
  const directory = {
    byName: (name: string) => [tenant, other, small].find((one) => one.name === name),
  } as TenantDirectory;
  api = await testApi({
    controllers: [MessageController],
    providers: [
      {
        provide: Acceptor,
        useValue: new BrittleAcceptor(directory, noQuotas, null, acceptorConfig, silent),
      },
      { provide: Dispatcher, useValue: { nudge: () => undefined, holdOf: () => null } },
      { provide: QuotaBook, useValue: noQuotas },
      { provide: TRANSACT, useValue: database.transact },
      { provide: DataSource, useValue: database.dataSource },
    ],
    tokens: Object.fromEntries(
      [...holders].map(([token, holder]) => [token, { tenant: holder, scopes: ['send', 'read'] }]),
    ),
  });
});
afterAll(async () => {
  await api.stop();
  await database.close();
});

type Body = Record<string, unknown> & { messageId: string };

const call = (method: string, path: string, body?: object, token?: string) =>
  api.call<Body>(method, `/v1/messages${path}`, body, token);

const request = (changes: object = {}) => ({ idempotencyKey: uuidv7(), to: '+14155550199', body: 'Hello', ...changes });
const send = (changes?: object, token?: string) => call('POST', '', request(changes), token);

const cursor = (text: string) => Buffer.from(text).toString('base64url');

describe('two tenants', () => {
  it('may use the same idempotency key, and get a message each', async () => {
    const mine = await send({ idempotencyKey: 'shared' });
    const theirs = await send({ idempotencyKey: 'shared', body: 'Something else' }, 'other-token');
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.json).toMatchObject({ repeated: false });
    expect(theirs.json.messageId).not.toBe(mine.json.messageId);
  });

  it('cannot see or cancel what is the other one’s, nor tell it from what does not exist', async () => {
    const { messageId } = (await send({ idempotencyKey: 'mine', metadata: { secret: 'yes' } })).json;
    for (const [method, path] of [
      ['GET', `/${messageId}`],
      ['POST', `/${messageId}/cancel`],
    ] as const) {
      const refused = await call(method, path, undefined, 'other-token');
      const unknown = await call(method, path.replace(messageId, uuidv7()), undefined, 'other-token');
      expect(refused.status).toBe(404);
      expect(refused.json).toEqual(unknown.json);
    }
    for (const query of ['?idempotencyKey=mine', `?cursor=${cursor(`9999-01-01T00:00:00.000Z ${messageId}`)}`]) {
      const list = await call('GET', query, undefined, 'other-token');
      expect(list.status).toBe(200);
      expect(JSON.stringify(list.json)).not.toContain(messageId);
    }
    expect((await call('GET', `/${messageId}`)).json).toMatchObject({ state: 'queued' });
  });

  it('names no tenant but its own, whatever its body says', async () => {
    const { messageId } = (await send({ tenant: 'other' })).json;
    expect((await call('GET', `/${messageId}`)).status).toBe(200);
    expect((await call('GET', `/${messageId}`, undefined, 'other-token')).status).toBe(404);
  });
});

describe('a hostile request', () => {
  it.each([
    ['a key with half a surrogate pair', { idempotencyKey: '\ud800' }],
    ['another key with half a surrogate pair', { idempotencyKey: '\ud801' }],
    ['a fallback after more years than there are', { fallback: [{ channel: 'voice', after: 'P999999999Y' }] }],
    ['a fallback after a time below zero', { fallback: [{ channel: 'voice', after: '-P999999999Y' }] }],
    ['the year 0', { expiresAt: '0000-01-01T00:00:00+23:59' }],
    ['the year 10000', { sendAt: '9999-12-31T23:59:59-23:59' }],
    ['a sender with half a surrogate pair', { from: '+1415555\ud800' }],
    ['a body with half a surrogate pair', { body: 'Hello \ud83d' }],
    ['variables with odd names', { contentVariables: { ['__proto__x']: 'x', '\ud800': '\udfff' } }],
    ['a service named like a property', { messagingService: 'constructor' }],
  ])('%s is no fault of ours, and costs nobody else a message', async (_label, changes) => {
    const theirs = () => Promise.all(Array.from({ length: 20 }, () => send({}, 'other-token')));
    const [before, hostile, after] = await Promise.all([theirs(), send(changes), theirs()]);
    expect([...before, ...after].map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 202));
    expect(hostile.status).toBeLessThan(500);
  });

  it('that nobody has foreseen fails alone', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => send(index === 20 ? { body: 'unforeseen' } : {})),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      Array.from({ length: 40 }, (_, index) => (index === 20 ? 500 : 202)),
    );
  });

  it.each([
    ['the year 0', '0000-01-01T00:00:00.000Z 00000000-0000-0000-0000-000000000000'],
    ['an id of dashes', `2026-01-01T00:00:00.000Z ${'-'.repeat(36)}`],
    ['an id of digits', `2026-01-01T00:00:00.000Z ${'0'.repeat(36)}`],
    ['a 31st of February', '2026-02-31T00:00:00.000Z 00000000-0000-0000-0000-000000000000'],
  ])('with a cursor of %s is told so', async (_label, text) => {
    expect((await call('GET', `?cursor=${cursor(text)}`)).status).toBe(400);
  });
});

describe('a tenant of whom as many messages wait as may', () => {
  it('is told to come again, and nothing is stored of a batch that does not fit', async () => {
    const stored = async () =>
      (await database.dataSource.query<unknown[]>(`select from messages where tenant = 'small'`)).length;
    const batch = { messages: [request(), request(), request()] };
    const refused = await call('POST', '/batch', batch, 'small-token');
    expect(refused).toMatchObject({ status: 429, json: { title: 'Too many messages waiting' } });
    expect(await stored()).toBe(0);

    const statuses: number[] = [];
    for (let sent = 0; sent < 3; sent++) statuses.push((await send({}, 'small-token')).status);
    expect(statuses).toEqual([202, 202, 429]);
    expect((await send({}, 'small-token')).headers.get('retry-after')).toBe('5');
    expect((await send()).status).toBe(202);
    expect(await stored()).toBe(2);
  });
});
