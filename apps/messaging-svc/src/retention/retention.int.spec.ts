import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import { tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { optOut, suppressNow } from '../../test/suppression.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { erase } from './erase.ts';
import { Retention } from './retention.ts';

const now = new Date();
const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 3_600_000);
const kept = { ...tenant, retention: { bodies: 'P30D', messages: 'P400D' } };
const directory = { byName: (name: string) => (name === 'demo' ? kept : undefined) } as TenantDirectory;

const logger = createLogger('spec', { level: 'silent' });

let database: MessagingDatabase;
let retention: Retention;
beforeAll(async () => {
  database = await messagingDatabase();
  retention = new Retention(database.transact, directory, { RETENTION_POLL_MS: 1 }, logger);
});
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query(
    `truncate messages, attempts, message_history, message_checks, inbound_messages, outbox, retention_marks, erasures, suppressions, suppression_changes,
     conversations, unmatched_callbacks cascade`,
  ),
);

const query = <Row>(sql: string, parameters: unknown[] = []) => database.dataSource.query<Row[]>(sql, parameters);
const count = async (table: string, where = 'true') =>
  Number((await query<{ count: string }>(`select count(*) from ${table} where ${where}`))[0]?.count);

/** Messages of that age, in a state, with an attempt and some history each. */
async function aged(
  count: number,
  days: number,
  state: string,
  changes: Parameters<typeof queueMessages>[2] = () => ({}),
) {
  const ids = (await queueMessages(database, count, changes)).map(({ id }) => id);
  await query(
    `update messages set created_at = $2, state = $3, due_at = null,
       check_at = case when $3 in ('submitted', 'sent') then now() end where id = any($1)`,
    [ids, daysAgo(days), state],
  );
  await query(
    `insert into attempts (message_id, number, state, started_at, lease_until, worker)
     select id, 1, 'accepted', now(), now(), 'spec' from unnest($1::uuid[]) as n (id)`,
    [ids],
  );
  return ids;
}

async function passAll(limit: number): Promise<number> {
  for (let passes = 1; ; passes++) if (!(await retention.pass(now, limit))) return passes;
}

async function receive(count: number, days: number, sender = '+14155550199'): Promise<void> {
  await query(
    `insert into inbound_messages (id, tenant, provider_sid, channel, sender, recipient, body, media, received_at)
     select gen_random_uuid(), 'demo', gen_random_uuid()::text, 'sms', $3, '+14155550100', 'Hi', '[{"url": "x"}]', $2
     from generate_series(1, $1)`,
    [count, daysAgo(days), sender],
  );
}

describe('retention', () => {
  it('takes the content out of every message past its time, however many are of the same moment, and of no other', async () => {
    await aged(95, 31, 'delivered', () => ({ contentVariables: { name: 'Ada' }, mediaUrls: ['https://a.example/a'] }));
    await aged(5, 29, 'delivered');
    await receive(25, 31);
    await receive(5, 29);
    expect(await passAll(10)).toBe(10);
    const redacted = `redacted_at is not null and content ->> 'body' is null and content ->> 'mediaUrls' = '[]'
      and content ->> 'contentVariables' = '{}'`;
    expect(await count('messages', redacted)).toBe(95);
    expect(await count('messages', `content ->> 'body' is not null and redacted_at is null`)).toBe(5);
    expect(await count('inbound_messages', `redacted_at is not null and body is null and media = '[]'`)).toBe(25);
    expect(await count('inbound_messages', `body = 'Hi'`)).toBe(5);
  });

  it('does no more in a batch than it may', async () => {
    await aged(30, 31, 'delivered');
    await aged(30, 401, 'delivered');
    expect(await retention.pass(now, 10)).toBe(true);
    expect(await count('messages')).toBe(50);
    expect(await count('messages', 'redacted_at is not null')).toBe(0);
    expect(await retention.pass(now, 10)).toBe(true);
    expect(await count('messages')).toBe(40);
  });

  it('leaves the content of what has not ended until it has', async () => {
    const [waiting] = await aged(1, 31, 'scheduled');
    await aged(3, 31, 'delivered');
    await passAll(10);
    expect(await count('messages', 'redacted_at is not null')).toBe(3);
    await query(`update messages set state = 'delivered' where id = $1`, [waiting]);
    await passAll(10);
    expect(await count('messages', 'redacted_at is not null')).toBe(4);
    expect(await count('retention_deferred')).toBe(0);
  });

  it('does not wait for a receipt that the provider is asked for no more', async () => {
    const [asked, silent] = await aged(2, 31, 'sent');
    const [old] = await aged(1, 401, 'sent');
    await query('update messages set check_at = null where id = any($1)', [[silent, old]]);
    await passAll(10);
    expect(await query('select id, redacted_at is not null as redacted from messages order by redacted')).toEqual([
      { id: asked, redacted: false },
      { id: silent, redacted: true },
    ]);
    await query('update messages set check_at = null');
    await passAll(10);
    expect(await count('messages', 'redacted_at is not null')).toBe(2);
  });

  it('deletes messages with all that hangs on them, also of a tenant that left the file', async () => {
    await aged(25, 401, 'delivered');
    await aged(5, 401, 'delivered', () => ({ tenant: 'gone' }));
    await aged(2, 401, 'queued');
    await aged(4, 399, 'delivered');
    await receive(12, 401);
    await passAll(10);
    expect(await count('messages')).toBe(6);
    expect(await count('attempts')).toBe(6);
    expect(await count('message_history', 'message_id not in (select id from messages)')).toBe(0);
    expect(await count('inbound_messages')).toBe(0);
  });

  it('goes on with the same messages once when two replicas do it', async () => {
    await aged(100, 401, 'delivered');
    const other = new Retention(database.transact, directory, { RETENTION_POLL_MS: 1 }, logger);
    await Promise.all([
      passAll(10),
      (async () => {
        while (await other.pass(now, 10));
      })(),
    ]);
    await passAll(10);
    expect(await count('messages')).toBe(0);
  });
});

describe('an erasure', () => {
  const person = '+14155550177';
  const request = { tenant: 'demo', recipient: person, requestedBy: 'spec' };
  const found = async () => {
    const tables = ['messages', 'message_history', 'attempts', 'inbound_messages', 'conversations', 'erasures'];
    const counts = await Promise.all(tables.map((table) => count(`${table} t`, `t::text like '%4155550177%'`)));
    return counts.reduce((sum, rows) => sum + rows, 0);
  };

  it('takes the person out of everything, once, and leaves others alone', async () => {
    const to = (number: string) => () => ({ to: number, metadata: { name: `Ada ${number}` } });
    await aged(700, 3, 'delivered', to(person));
    await aged(3, 3, 'delivered', to('+14155550188'));
    await queueMessages(database, 2, to(person));
    await queueMessages(database, 1, () => ({ to: person, tenant: 'other' }));
    await receive(4, 2, person);
    await receive(4, 2, `whatsapp:${person}`);
    await query(`insert into conversations values ('demo', $1, '', '+14155550100', now())`, [person]);

    const done = await erase(database.transact, request, now);
    expect(done).toMatchObject({ messages: 702, inbound: 8, deferred: 0, optedOut: false });
    expect(await count('messages', `recipient = 'erased:${done.erasureId}' and redacted_at is not null`)).toBe(702);
    expect(await count('messages', `state = 'canceled'`)).toBe(2);
    expect(await count('messages', `recipient = '+14155550188' and content ->> 'body' is not null`)).toBe(3);
    await query(`delete from messages where tenant = 'other'`);
    expect(await found()).toBe(0);

    expect(await erase(database.transact, request, now)).toMatchObject({ messages: 0, inbound: 0, deferred: 0 });
    expect(await query('select recipient, requested_by, messages from erasures order by id')).toEqual([
      { recipient: '+1415•••177', requested_by: 'spec', messages: 702 },
      { recipient: '+1415•••177', requested_by: 'spec', messages: 0 },
    ]);
  });

  it('waits for what is with the provider, and for nothing longer', async () => {
    const [id] = await aged(1, 0, 'submitted', () => ({ to: person }));
    expect(await erase(database.transact, request, now)).toMatchObject({ messages: 0, deferred: 1 });
    expect(await found()).toBe(1);
    await passAll(10);
    expect(await found()).toBe(1);
    await query(`update messages set state = 'delivered' where id = $1`, [id]);
    await passAll(10);
    expect(await found()).toBe(0);
  });

  it('keeps an opt-out in force, without who said so and why', async () => {
    const at = (days: number) => daysAgo(days).toISOString();
    const details = { recipient: person, source: 'Ada wrote to support', keyword: 'STOP' };
    await suppressNow(database, optOut({ ...details, at: at(3) }));
    await suppressNow(database, optOut({ ...details, state: 'opted_in', at: at(2) }));
    await suppressNow(database, optOut({ ...details, at: at(1) }));
    expect(await erase(database.transact, request, now)).toMatchObject({ optedOut: true });
    const [message] = await queueMessages(database, 1, () => ({ to: person }));
    const suppressed = await database.transact((tx) => suppressedAmong(tx, message ? [message] : []));
    expect([...suppressed]).toEqual([message?.id]);
    expect(await query('select sequence, state, source, keyword from suppression_changes')).toEqual([
      { sequence: 3, state: 'opted_out', source: null, keyword: null },
    ]);
    const told = await query<{ key: string; id: string; value: string }>(
      `select key, headers ->> 'ce_id' as id, value from outbox where topic = 'events.suppression.v1' order by outbox.id desc limit 2`,
    );
    // Compaction keeps the last record of a key: the one without details.
    expect(told.map(({ key, id }) => [key, id])).toEqual([
      [told[1]?.key, told[1]?.id],
      [told[1]?.key, told[1]?.id],
    ]);
    expect(told.map(({ value }) => JSON.parse(value) as object)).toMatchObject([
      { sequence: 3, state: 'opted_out', source: null, keyword: null },
      { sequence: 3, state: 'opted_out', source: 'Ada wrote to support', keyword: 'STOP' },
    ]);
    await erase(database.transact, request, now);
    expect(await count('outbox', `topic = 'events.suppression.v1'`)).toBe(4);
    await suppressNow(database, optOut({ ...details, state: 'opted_in' }));
    expect(await query('select sequence, state from suppressions')).toEqual([{ sequence: 4, state: 'opted_in' }]);
  });
});
