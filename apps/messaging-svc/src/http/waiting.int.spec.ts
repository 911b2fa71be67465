import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { dayOf, type Quotas, quotasOf } from '@signalbox/outbound';
import type { QuotaLimits } from '@signalbox/tenants';
import { tenant } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { givenQuotas } from '../quota/quota-kinds.rules.ts';
import { findStory } from './message.queries.ts';

describe('what a message in line waits for', () => {
  let database: MessagingDatabase;

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(() =>
    database.dataSource.query(
      'truncate messages, attempts, message_history, message_checks, outbox, quota_buckets cascade',
    ),
  );

  const accountQuota = (account: QuotaLimits): Quotas =>
    quotasOf(givenQuotas({ ...tenant, quotas: { account, senders: {}, prefixes: {} } }), new Map());

  /** The youngest of so many that became due one second after the other, with one more in another line. */
  async function lastOf(count: number): Promise<string> {
    const messages = await queueMessages(database, count + 1);
    const ids = messages.map(({ id }) => id);
    await database.dataSource.query(
      `update messages set due_at = now() - interval '1 minute' + array_position($1::uuid[], id) * interval '1 second'`,
      [ids],
    );
    await database.dataSource.query(`update messages set queue = 'prefix:+49' where id = $1`, [ids[0]]);
    return ids.at(-1) ?? '';
  }

  const waiting = async (id: string, quotas: Quotas) =>
    (await findStory(database.dataSource, 'demo', id, { quotas, hold: null }))?.waiting;

  it('is its turn, behind those of its line that were due before', async () => {
    const id = await lastOf(3);
    expect(await waiting(id, new Map())).toMatchObject({ reason: 'in_line', until: null });
    expect((await waiting(id, accountQuota({ rate: 0.1, burst: 1 })))?.summary).toMatch(/^account .* 2 ahead of it/);
  });

  it('is the next day when the bucket says that the cap is used up', async () => {
    const id = await lastOf(1);
    const capped = accountQuota({ dailyCap: 5 });
    expect(await waiting(id, capped)).toMatchObject({ reason: 'in_line' });
    await database.dataSource.query(`insert into quota_buckets values ('demo', 'account', 0, $1, 5)`, [
      dayOf(Date.now(), 'UTC'),
    ]);
    const told = await waiting(id, capped);
    expect(told).toMatchObject({ reason: 'daily_cap', until: expect.stringMatching(/T00:00:00.000Z$/) });
  });
});
