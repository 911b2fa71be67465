import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventOf, topics } from '@signalbox/contracts';
import { Batch } from '@signalbox/kafka';
import { type MessagingDatabase, messagingDatabase, outboxEvents, queueMessages } from '../../test/database.ts';
import type { Message } from '../message/message.ts';
import { doubleSends } from '../metrics.ts';
import { deleteOld } from '../retention/retention.store.ts';
import { DeliveryHandler } from './delivery.handler.ts';

type Callback = EventOf<typeof topics.twilioMessageCallbacks>;

const sid = (n: number) => `SM${String(n).padStart(32, '0')}`;

function callback(of: Pick<Message, 'id'> | null, status: string, changes: Partial<Callback['data']> = {}): Callback {
  const data = {
    accountSid: 'AC00000000000000000000000000000001',
    tenant: 'demo',
    resourceSid: sid(1),
    correlationId: of?.id ?? null,
    status,
    providerTime: null,
    receivedAt: '2026-11-24T18:00:01.000Z',
    errorCode: null,
    params: { MessageStatus: status },
    ...changes,
  };
  return {
    id: `${data.resourceSid}.${status}`,
    source: '//signalbox/webhook-ingest',
    type: 'twilio.message.status.v1',
    time: data.receivedAt,
    data,
  };
}

function batch(...events: Callback[]): Batch<Callback> {
  return new Batch(
    events.map((event, index) => ({
      event,
      key: event.data.correlationId ?? event.data.resourceSid,
      topic: 'callbacks.twilio.message.v1',
      partition: 0,
      offset: String(index),
      attempt: 1,
    })),
  );
}

describe('DeliveryHandler', () => {
  const handler = new DeliveryHandler();
  let database: MessagingDatabase;
  let message: Message;

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query(
      'truncate messages, attempts, message_history, message_checks, outbox, unmatched_callbacks cascade',
    );
    [message] = (await queueMessages(database, 1)) as [Message];
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    await database.dataSource.query('truncate outbox');
  });

  const apply = (...events: Callback[]) => database.transact((tx) => handler.applyCallbacks(batch(...events), tx));
  const row = async () =>
    (
      await database.dataSource.query<{ state: string; sequence: number; provider_sid: string }[]>(
        'select * from messages',
      )
    )[0];
  const rows = (table: string) => database.dataSource.query<Record<string, unknown>[]>(`select * from ${table}`);

  it('applies a batch in one go: one event per move, in order', async () => {
    await apply(callback(message, 'sent'), callback(message, 'delivered'));
    expect(await row()).toMatchObject({ state: 'delivered', sequence: 5, provider_sid: sid(1) });
    expect((await outboxEvents(database)).map(({ data }) => [data.sequence, data.state])).toEqual([
      [4, 'sent'],
      [5, 'delivered'],
    ]);
  });

  it('applies a repeat once, in the same batch and in a later one, and keeps one line of it', async () => {
    await apply(callback(message, 'sent'), callback(message, 'sent'));
    await apply(callback(message, 'sent'));
    expect(await row()).toMatchObject({ state: 'sent', sequence: 4 });
    expect((await rows('message_history')).filter(({ kind }) => kind === 'callback')).toHaveLength(1);
  });

  it('applies a callback that came before any attempt when it comes again, and keeps one line of it', async () => {
    await database.dataSource.query(`update messages set state = 'queued', sequence = 2`);
    await apply(callback(message, 'sent'));
    expect(await row()).toMatchObject({ state: 'queued', sequence: 2 });
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    await apply(callback(message, 'sent'));
    expect(await row()).toMatchObject({ state: 'sent', sequence: 4 });
    const lines = (await rows('message_history')).filter(({ kind }) => kind === 'callback');
    expect(lines).toEqual([
      expect.objectContaining({
        detail: expect.objectContaining({ outcome: 'applied', change: expect.objectContaining({ sequence: 4 }) }),
      }),
    ]);
  });

  it('keeps a late callback in the history and changes nothing', async () => {
    await apply(callback(message, 'delivered'));
    await apply(callback(message, 'sent'));
    expect(await row()).toMatchObject({ state: 'delivered', sequence: 4 });
    expect((await rows('message_history')).filter(({ kind }) => kind === 'callback')).toHaveLength(2);
  });

  it('tells a second message of the provider from a callback of a message that was never sent', async () => {
    const doubled = async () => (await doubleSends.get()).values[0]?.value ?? 0;
    const before = await doubled();
    await database.dataSource.query(`update messages set state = 'queued', sequence = 2`);
    await apply(callback(message, 'delivered'));
    expect(await doubled()).toBe(before);
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    await apply(callback(message, 'sent'));
    expect(await doubled()).toBe(before);
    await apply(callback(message, 'sent', { resourceSid: sid(2) }));
    expect(await doubled()).toBe(before + 1);
  });

  it('keeps a status nobody knows', async () => {
    await apply(callback(message, 'teleported'));
    expect(await row()).toMatchObject({ state: 'submitting', provider_sid: sid(1) });
    expect(await rows('message_history')).toContainEqual(
      expect.objectContaining({ kind: 'callback', detail: expect.objectContaining({ status: 'teleported' }) }),
    );
  });

  it('finds a message by the provider’s id when the URL did not carry ours', async () => {
    await apply(callback(message, 'sent'));
    await apply(callback(null, 'delivered'));
    expect(await row()).toMatchObject({ state: 'delivered' });
  });

  it('finds it by tenant and the provider’s id: another tenant that names the id stands in nobody’s way', async () => {
    const [theirs] = await queueMessages(database, 1, () => ({ tenant: 'other' }));
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    await database.dataSource.query(`
      insert into attempts (message_id, number, state, started_at, lease_until, worker)
      select id, 1, 'calling', now(), now() + interval '1 minute', 'spec' from messages`);
    await apply(callback(theirs ?? null, 'sent', { tenant: 'other' }));
    await apply(callback(message, 'sent'));
    await apply(callback(null, 'delivered'));
    const states = await database.dataSource.query<object[]>(
      'select tenant, state, provider_sid from messages order by tenant',
    );
    expect(states).toEqual([
      { tenant: 'demo', state: 'delivered', provider_sid: sid(1) },
      { tenant: 'other', state: 'sent', provider_sid: sid(1) },
    ]);
  });

  it.each([
    ['of another tenant', { tenant: 'other' }],
    ['of a message we never had', { correlationId: '019a0000-0000-7000-8000-00000000dead' }],
    ['of a message that is not ours at all', { correlationId: null, resourceSid: sid(9) }],
  ])('sets a callback aside that speaks %s', async (_label, changes) => {
    await apply(callback(message, 'delivered', changes), callback(message, 'sent'));
    expect(await row()).toMatchObject({ state: 'sent' });
    expect(await rows('unmatched_callbacks')).toHaveLength(1);
  });

  it('keeps the stray callbacks of two tenants apart, though they have one id', async () => {
    const stray = callback(message, 'sent', { correlationId: null, resourceSid: sid(77) });
    const theirs = { ...stray, data: { ...stray.data, tenant: 'other' } };
    await apply(theirs);
    await apply(stray, theirs, stray);
    expect((await rows('unmatched_callbacks')).map(({ tenant }) => tenant).sort()).toEqual(['demo', 'other']);
    await database.transact((tx) => deleteOld(tx, 'unmatched_callbacks', 'other', new Date(Date.now() + 1_000), 10));
    expect(await rows('unmatched_callbacks')).toMatchObject([{ tenant: 'demo' }]);
  });

  it('ends in one place when two replicas apply the same callbacks at once', async () => {
    const messages = await queueMessages(database, 50);
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    await database.dataSource.query('truncate outbox');
    const callbacks = messages.flatMap((of, index) => [
      callback(of, 'sent', { resourceSid: sid(100 + index) }),
      callback(of, 'delivered', { resourceSid: sid(100 + index) }),
    ]);
    await Promise.all([apply(...callbacks), apply(...[...callbacks].reverse()), apply(...callbacks)]);
    const events = (await outboxEvents(database)).filter(({ key }) => key !== message.id);
    for (const { id } of messages) {
      const sequences = events.filter(({ key }) => key === id).map(({ data }) => data.sequence);
      expect(sequences).toEqual(sequences.map((_, index) => 4 + index));
    }
    const states = await database.dataSource.query<{ state: string }[]>(
      'select distinct state from messages where id <> $1',
      [message.id],
    );
    expect(states).toEqual([{ state: 'delivered' }]);
  });
});
