import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Batch } from '@signalbox/kafka';
import type { TenantDirectory } from '@signalbox/tenants';
import { eventually } from '@signalbox/testing';
import { acceptorConfig, command, noQuotas, now, silent, tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, outboxEvents } from '../../test/database.ts';
import { AcceptanceHandler } from './acceptance.handler.ts';
import { type Accepted, Acceptor, type SendAsked } from './acceptor.ts';
import { cancelAll } from './cancel.ts';
import type { CancelCommand } from '@signalbox/contracts';

const directory = { byName: (name: string) => (name === 'demo' ? tenant : undefined) } as TenantDirectory;
const acceptor = new Acceptor(directory, noQuotas, null, acceptorConfig, silent);

const ask = (changes: Parameters<typeof command>[0] = {}): SendAsked => ({
  command: command(changes),
  traceparent: undefined,
});

/** Commands as they come over Kafka. */
const recordsOf = (...commands: ReturnType<typeof command>[]) =>
  commands.map(
    (data, offset) =>
      ({ event: { type: 'messaging.send.v1', data }, partition: 3, offset: String(offset) }) as Parameters<
        AcceptanceHandler['takeCommands']
      >[0]['records'][number],
  );

describe('acceptance', () => {
  let database: MessagingDatabase;

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(() =>
    database.dataSource.query('truncate messages, attempts, message_history, message_checks, outbox cascade'),
  );

  const accept = (...asked: SendAsked[]) =>
    database.transact((tx) => acceptor.accept(tx, asked)) as Promise<Accepted[]>;
  const count = async (table: string): Promise<number> =>
    Number((await database.dataSource.query<{ count: string }[]>(`select count(*) from ${table}`))[0]?.count);

  it('makes one message of a command that comes three times, twice of them together', async () => {
    const [first, second] = await accept(ask(), ask());
    const [third] = await accept(ask());
    expect([first?.result, second?.result, third?.result]).toEqual(['new', 'repeat', 'repeat']);
    expect(new Set([first?.messageId, second?.messageId, third?.messageId]).size).toBe(1);
    expect(await count('messages')).toBe(1);
    expect((await outboxEvents(database)).map(({ data }) => [data.sequence, data.state])).toEqual([
      [1, 'accepted'],
      [2, 'queued'],
    ]);
  });

  it('tells a repeat from another request under the same key, and leaves the first one alone', async () => {
    const [first] = await accept(ask());
    const [other] = await accept(ask({ body: 'Something else' }));
    expect(other).toEqual({ messageId: first?.messageId, state: 'queued', result: 'conflict' });
  });

  it('rejects a record with another request under a known key, so that the loss is found in the dead letters', async () => {
    const handler = new AcceptanceHandler(acceptor);
    const records = recordsOf(command(), command({ body: 'Something else' }), command({ tenant: 'nobody' }));
    const take = (...taken: typeof records) => database.transact((tx) => handler.takeCommands(new Batch(taken), tx));

    await expect(take(...records)).rejects.toMatchObject({
      records: [{ offset: '2' }],
      reason: 'tenant: not in the tenant file',
    });
    await expect(take(...records.slice(0, 2))).rejects.toMatchObject({
      records: [{ partition: 3, offset: '1' }],
      reason: 'idempotencyKey: belongs to another request',
    });
    await take(...records.slice(0, 1));
    expect(await count('messages')).toBe(1);
  });

  describe('when as many wait as may', () => {
    const limited = { ...tenant, quotas: { senders: {}, prefixes: {}, maxWaiting: 10 } };
    const full = (names = ['demo', 'other']) =>
      new Acceptor(
        { byName: (name: string) => (names.includes(name) ? { ...limited, name } : undefined) } as TenantDirectory,
        noQuotas,
        null,
        acceptorConfig,
        silent,
      );
    const many = (count: number, changes: Parameters<typeof command>[0] = {}) =>
      Array.from({ length: count }, (_, index) => ask({ idempotencyKey: `${changes.lane}-${index}`, ...changes }));

    it('turns further requests away, critical ones and repeats last, and no other tenant’s', async () => {
      const limiter = full();
      const take = async (asked: SendAsked[]) =>
        (await database.transact((tx) => limiter.accept(tx, asked))).map(({ result }) => result);
      expect(await take(many(12, { lane: 'bulk' }))).toEqual([
        ...Array.from({ length: 9 }, () => 'new'),
        'full',
        'full',
        'full',
      ]);
      expect(await take(many(1, { lane: 'transactional' }))).toEqual(['full']);
      expect(await take(many(2, { lane: 'critical' }))).toEqual(['new', 'full']);
      expect(await take(many(1, { lane: 'bulk' }))).toEqual(['repeat']);
      expect(await take(many(1, { lane: 'bulk', tenant: 'other' }))).toEqual(['new']);
      expect(await count('messages')).toBe(11);

      await database.dataSource.query(`update messages set state = 'submitting', due_at = null`);
      await eventually(async () => expect(await take(many(1, { lane: 'transactional' }))).toEqual(['new']));
    });

    it('counts what others have taken in', async () => {
      await database.transact((tx) => full().accept(tx, many(9, { lane: 'bulk' })));
      const [late] = await database.transact((tx) => full().accept(tx, many(1, { lane: 'transactional' })));
      expect(late).toEqual({ result: 'full' });
    });

    it('sets records aside that come over Kafka, with the reason, to be replayed', async () => {
      const handler = new AcceptanceHandler(full());
      const records = recordsOf(...many(11, { lane: 'critical' }).map((one) => one.command));
      await expect(database.transact((tx) => handler.takeCommands(new Batch(records), tx))).rejects.toMatchObject({
        records: [{ offset: '10' }],
        reason: 'tenant: as many of its messages wait to be sent as may (quotas.maxWaiting)',
      });
      expect(await count('messages')).toBe(0);
    });
  });

  it('sees the same request whether defaults are written or left out, in whatever order', async () => {
    await accept(ask({ metadata: { a: '1', b: '2' } }));
    const [again] = await accept(ask({ metadata: { b: '2', a: '1' }, from: null, maxPrice: null }));
    expect(again?.result).toBe('repeat');
  });

  it('keeps the keys of tenants apart', async () => {
    const both = new Acceptor(
      { byName: (name: string) => ({ ...tenant, name }) } as TenantDirectory,
      noQuotas,
      null,
      acceptorConfig,
      silent,
    );
    const results = await database.transact((tx) => both.accept(tx, [ask(), ask({ tenant: 'other' })]));
    expect(results.map(({ result }) => result)).toEqual(['new', 'new']);
  });

  it('survives batches that share their keys crosswise: no deadlock, one message each', async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
    const batches = Array.from({ length: 6 }, (_, index) => (index % 2 ? [...keys] : [...keys].reverse()));
    const results = await Promise.all(
      batches.map((batch) => accept(...batch.map((idempotencyKey) => ask({ idempotencyKey })))),
    );
    expect(results.flat().filter(({ result }) => result === 'new')).toHaveLength(200);
    expect(await count('messages')).toBe(200);
    expect(await count('outbox')).toBe(400);
  });

  it('stores whatever text a person can send', async () => {
    const body = 'quote " brace { comma , NUL \0 lone \ud800 emoji 👍🏽';
    const [result] = await accept(ask({ body, metadata: { nasty: '{"\\u0000"}' } }));
    expect(result?.result).toBe('new');
  });

  it('cancels what waits, by either id, and says when it is too late', async () => {
    const [queued] = await accept(ask({ sendAt: new Date(Date.now() + 3_600_000).toISOString() }));
    const messageId = queued?.messageId ?? '';
    const byKey = { tenant: 'demo', idempotencyKey: command().idempotencyKey };
    const run = async (request: CancelCommand) => (await database.transact((tx) => cancelAll(tx, [request], now)))[0];

    expect(await run({ tenant: 'other', messageId })).toEqual({ kind: 'unknown' });
    expect(await run(byKey)).toEqual({ kind: 'canceled', messageId });
    expect(await run({ tenant: 'demo', messageId })).toEqual({ kind: 'canceled', messageId });

    await database.dataSource.query(`update messages set state = 'submitting', due_at = null`);
    expect(await run(byKey)).toEqual({ kind: 'too_late', messageId, state: 'submitting' });
  });

  it('answers a batch of cancels in order, repeats and strangers among them, with one event for each message', async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    const [first, second] = await accept(ask({ idempotencyKey: 'a', sendAt }), ask({ idempotencyKey: 'b', sendAt }));
    const results = await database.transact((tx) =>
      cancelAll(
        tx,
        [
          { tenant: 'demo', idempotencyKey: 'b' },
          { tenant: 'demo', idempotencyKey: 'nobody' },
          { tenant: 'demo', messageId: first?.messageId ?? '' },
          { tenant: 'other', idempotencyKey: 'a' },
          { tenant: 'demo', idempotencyKey: 'a' },
        ],
        now,
      ),
    );
    expect(results).toEqual([
      { kind: 'canceled', messageId: second?.messageId },
      { kind: 'unknown' },
      { kind: 'canceled', messageId: first?.messageId },
      { kind: 'unknown' },
      { kind: 'canceled', messageId: first?.messageId },
    ]);
    const canceled = (await outboxEvents(database)).filter(({ data }) => data.state === 'canceled');
    expect(canceled.map(({ key }) => key).sort()).toEqual([first?.messageId, second?.messageId].sort());
  });
});
