import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import { TRANSACT } from '@signalbox/domain-service';
import type { TenantDirectory } from '@signalbox/tenants';
import { testApi, type TestApi } from '@signalbox/testing/http';
import { DataSource } from 'typeorm';
import { acceptorConfig, noQuotas, silent, tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, outboxEvents, queueMessages } from '../../test/database.ts';
import { Acceptor } from '../acceptance/acceptor.ts';
import { MessageController } from '../http/message.controller.ts';
import { reconciled } from '../metrics.ts';
import { SettleController } from './settle.controller.ts';

describe('settling a message in doubt', () => {
  let database: MessagingDatabase;
  let api: TestApi;
  let nudges = 0;
  let messageId: string;

  beforeAll(async () => {
    database = await messagingDatabase();
    const directory = { byName: () => tenant } as unknown as TenantDirectory;
    api = await testApi({
      controllers: [MessageController, SettleController],
      providers: [
        { provide: TRANSACT, useValue: database.transact },
        { provide: DataSource, useValue: database.dataSource },
        { provide: Dispatcher, useValue: { nudge: () => nudges++, holdOf: () => null } },
        { provide: QuotaBook, useValue: noQuotas },
        {
          provide: Acceptor,
          useValue: new Acceptor(directory, noQuotas, null, acceptorConfig, silent),
        },
      ],
      tokens: {
        'admin-token': { tenant, name: 'ops', scopes: ['admin'] },
        'send-token': { tenant, name: 'shop', scopes: ['send', 'read'] },
        'stranger-token': { tenant: { ...tenant, name: 'other' }, name: 'ops', scopes: ['admin'] },
      },
    });
  });
  afterAll(async () => {
    await api.stop();
    await database.close();
  });
  beforeEach(async () => {
    await database.dataSource.query('truncate messages, attempts, message_history, outbox cascade');
    nudges = 0;
    const [message] = await queueMessages(database, 1, () => ({ fallback: [{ channel: 'voice' }] }));
    messageId = message?.id ?? '';
    await database.dataSource.query(
      `update messages set state = 'submitting', sequence = 3, attempt = 1, due_at = null`,
    );
    await database.dataSource.query(
      `insert into attempts (message_id, number, state, started_at, lease_until, worker)
       values ($1, 1, 'in_doubt', now(), now() + interval '1 hour', 'pod/1')`,
      [messageId],
    );
  });

  const call = (method: string, path: string, body?: object, token?: string) =>
    api.call(method, `/v1/messages${path}`, body, token);
  const settle = (as: string, token?: string, id = messageId) => call('POST', `/${id}/settle`, { as }, token);
  const settledSoFar = async (verdict: string) =>
    (await reconciled.get()).values.find(({ labels }) => labels.verdict === verdict)?.value ?? 0;

  it('resend: the message is due again, and its history says who wanted that', async () => {
    const before = await settledSoFar('resend_by_operator');
    expect(await settle('resend')).toMatchObject({ status: 200, json: { messageId, state: 'submitting' } });
    const { json } = await call('GET', `/${messageId}`);
    expect(json).toMatchObject({
      state: 'submitting',
      nextAttemptAt: expect.any(String),
      attempts: [{ number: 1, state: 'given_up', error: { code: 'in_doubt' } }],
      history: expect.arrayContaining([
        expect.objectContaining({ kind: 'settled', summary: 'in doubt, settled as resend by ops' }),
      ]),
    });
    expect(nudges).toBe(1);
    expect(await settledSoFar('resend_by_operator')).toBe(before + 1);
  });

  it('failed: the message ends with an event, and its fallback is due', async () => {
    expect(await settle('failed')).toMatchObject({ status: 200, json: { messageId, state: 'failed' } });
    expect((await outboxEvents(database)).at(-1)?.data).toMatchObject({
      sequence: 4,
      state: 'failed',
      error: { code: 'in_doubt', class: 'unknown' },
    });
    const due = await database.dataSource.query<unknown[]>('select from messages where fallback_at <= now()');
    expect(due).toHaveLength(1);
  });

  it('settles once, though two operators press at once', async () => {
    const answers = await Promise.all([settle('resend'), settle('failed'), settle('resend')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const lines = await database.dataSource.query<unknown[]>(`select from message_history where kind = 'settled'`);
    expect(lines).toHaveLength(1);
  });

  it.each([
    ['whose call is under way', `update attempts set state = 'calling'`],
    ['whose attempt is settled', `update attempts set state = 'accepted'`],
    ['that a callback told of', `update messages set provider_sid = 'SM1'`],
  ])('leaves alone a message %s', async (_label, sql) => {
    await database.dataSource.query(sql);
    expect(await settle('resend')).toMatchObject({ status: 409, json: { state: 'submitting' } });
    expect(nudges).toBe(0);
  });

  it('is for administrators of the tenant', async () => {
    expect((await settle('resend', 'send-token')).status).toBe(403);
    expect((await settle('resend', 'stranger-token')).status).toBe(404);
    expect((await settle('resend', undefined, '019a0000-0000-7000-8000-00000000ffff')).status).toBe(404);
    expect((await settle('delivered')).status).toBe(400);
  });

  it('lists what is in doubt', async () => {
    await queueMessages(database, 2);
    const ids = async (query: string) =>
      ((await call('GET', query)).json['messages'] as { messageId: string }[]).map((one) => one.messageId);
    expect(await ids('?inDoubt=true')).toEqual([messageId]);
    expect(await ids('')).toHaveLength(3);
    await settle('resend');
    expect(await ids('?inDoubt=true')).toEqual([]);
  });
});
