import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { isAlone } from '@signalbox/domain-service';
import { run } from '@signalbox/persistence';
import { type Accepted, Acceptor } from '../acceptance/acceptor.ts';
import { acceptorConfig, command, directory, noQuotas, silent } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { liftBlock } from './block.store.ts';
import { followBlocks } from './blocked-queue.ts';
import { watch } from './watch.ts';

const policy = { minVolume: 50, blockMs: 4 * 3_600_000, homeCountries: () => new Set(['US']) };
const now = new Date('2026-11-24T18:30:00.000Z');
const later = (hours: number) => new Date(now.getTime() + hours * 3_600_000);

let database: MessagingDatabase;
beforeAll(async () => (database = await messagingDatabase()));
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query(
    `truncate messages, attempts, message_history, message_checks, outbox, analytics_hourly, analytics_daily, analytics_deltas, anomalies, blocked_prefixes cascade`,
  ),
);

interface Traffic {
  at?: Date;
  prefix?: string;
  code?: string;
  delivered?: number;
  failed?: number;
}

async function traffic(table: 'analytics_hourly' | 'analytics_daily', row: Traffic): Promise<void> {
  const { at = now, prefix = '+1415', code = '', delivered = 0, failed = 0 } = row;
  await database.dataSource.query(
    `insert into ${table} (tenant, at, prefix, sender, code, country, carrier, handed_over, delivered, failed, rejected, expired, canceled)
     values ('demo', date_trunc($1, $2::timestamptz, 'utc'), $3, 'MG1', $4, 'US', '', $5::int + $6::int, $5, $6, 0, 0, 0)
     on conflict (tenant, at, prefix, sender, code, country, carrier)
     do update set delivered = excluded.delivered, failed = excluded.failed, handed_over = excluded.handed_over`,
    [table === 'analytics_hourly' ? 'hour' : 'day', at, prefix, code, delivered, failed],
  );
}

const look = (at = now) => database.transact((tx) => watch(tx, policy, at));
const events = () =>
  database.transact(async (tx) => {
    const { rows } = await run<{ type: string; value: string; key: string }>(
      tx,
      `select headers ->> 'ce_type' as type, key, value from outbox where topic = 'events.analytics.v1' order by id`,
    );
    return rows.map(({ type, key, value }) => ({ type, key, data: JSON.parse(value) as Record<string, unknown> }));
  });
const scopesOf = async (kind: string) =>
  (await events())
    .filter(({ type, data }) => type.includes(kind) && data['kind'] === 'failure_rate')
    .map(({ key }) => key);

const usual = () => traffic('analytics_daily', { at: later(-48), delivered: 9_700, failed: 300 });
const bad = ['demo:code=30003', 'demo:country=US', 'demo:prefix=+1415', 'demo:sender=MG1'];

describe('a failure rate', () => {
  it('opens one anomaly per scope with two replicas and repeated looks, and closes it when it is back to usual', async () => {
    await usual();
    await traffic('analytics_hourly', { delivered: 600 });
    await traffic('analytics_hourly', { code: '30003', failed: 400 });
    await Promise.all([look(), look(), look()]);
    await look();
    expect((await scopesOf('opened')).sort()).toEqual(bad);
    expect((await events())[0]?.data).toMatchObject({ tenant: 'demo', volume: 1000, rate: 0.4 });

    await traffic('analytics_hourly', { delivered: 9_600 });
    await look();
    expect((await scopesOf('closed')).sort()).toEqual(bad);
    await look();
    expect(await events()).toHaveLength(8);
  });

  it('says nothing of what is usual', async () => {
    await usual();
    await traffic('analytics_hourly', { delivered: 960 });
    await traffic('analytics_hourly', { code: '30003', failed: 40 });
    await look();
    expect(await events()).toEqual([]);
  });

  it('closes when the traffic has ended', async () => {
    await traffic('analytics_hourly', { code: '30003', failed: 400, delivered: 100 });
    await look();
    await look(later(3));
    expect((await scopesOf('closed')).length).toBe((await scopesOf('opened')).length);
  });
});

describe('SMS pumping', () => {
  const acceptor = new Acceptor(directory, noQuotas, null, acceptorConfig, silent);
  let keys = 0;
  const accept = async (to: string, lane: 'bulk' | 'transactional' = 'bulk') => {
    const idempotencyKey = `pumped-${++keys}`;
    const asked = [{ command: command({ to, lane, idempotencyKey }), traceparent: undefined }];
    const [answer] = (await database.transact((tx) => acceptor.accept(tx, asked))) as Accepted[];
    const [row] = await database.dataSource.query<{ code: string | null }[]>(
      `select error ->> 'code' as code from messages where id = $1`,
      [answer?.messageId],
    );
    return [answer?.state, row?.code];
  };
  const pump = async () => {
    await queueMessages(database, 100, (index) => ({ to: `+9945012${String(1000 + index)}` }));
    await database.dataSource.query('update messages set created_at = $1', [now]);
    await traffic('analytics_hourly', { prefix: '+994501', delivered: 100 });
  };
  const inForce = () =>
    database.dataSource.query(
      `update blocked_prefixes set expires_at = now() + interval '1 hour' where expires_at < now() + interval '1 hour'`,
    );

  it('blocks the prefix for bulk, opens one anomaly, and ends both in time', async () => {
    await pump();
    await Promise.all([look(), look()]);
    expect(await events()).toMatchObject([
      { type: 'analytics.anomaly.opened.v1', key: 'demo:prefix=+994501', data: { kind: 'sms_pumping', volume: 100 } },
    ]);
    await inForce();
    expect(await accept('+994501209999')).toEqual(['rejected', 'blocked_prefix']);
    expect(await accept('+994501209999', 'transactional')).toEqual(['queued', null]);
    expect(await accept('+994551209999')).toEqual(['queued', null]);

    await database.dataSource.query('update blocked_prefixes set expires_at = $1', [later(4)]);
    await look(later(3));
    expect(await events()).toHaveLength(1);
    await look(later(5));
    expect((await events()).map(({ type }) => type)).toEqual([
      'analytics.anomaly.opened.v1',
      'analytics.anomaly.closed.v1',
    ]);
  });

  it('holds what was in line for the prefix before until the block ends, and lets it go when it is lifted', async () => {
    await pump();
    const tomorrow = new Date(Date.now() + 24 * 3_600_000).toISOString();
    const soon = new Date(Date.now() + 60_000).toISOString();
    const asked: Parameters<typeof command>[0][] = [
      { to: '+994501200001', lane: 'bulk' },
      { to: '+994501200002' },
      { to: '+994551200003', lane: 'bulk' },
      { to: '+994501200004', lane: 'bulk' },
      { to: '+994501200005', lane: 'bulk', sendAt: tomorrow },
      { to: '+994501200006', lane: 'bulk', expiresAt: soon },
    ];
    await queueMessages(database, asked.length, (index) => asked[index] ?? {});
    // Between two attempts it is in line as well.
    await database.dataSource.query(
      `update messages set state = 'submitting', attempt = 1 where recipient = '+994501200004'`,
    );
    const follow = async () => (await database.transact((tx) => followBlocks(tx, new Date(), 100))).length;
    const inLine = async () => {
      const rows = await database.dataSource.query<{ to: string; state: string; code: string | null; held: boolean }[]>(
        `select right(recipient, 1) as to, state, error ->> 'code' as code,
           due_at = (select expires_at from blocked_prefixes) as held
         from messages where recipient like '+9945_120000_' order by 1`,
      );
      return rows.map(({ to, state, code, held }) => [to, state, code, held]);
    };
    expect(await follow()).toBe(0);
    await look();
    await inForce();
    await database.transact(async (tx) => {
      await isAlone(tx, 'blocked queue');
      // Another replica is at it.
      expect(await follow()).toBe(0);
    });
    expect(await follow()).toBe(3);
    expect(await follow()).toBe(0);
    const others = [
      ['2', 'queued', null, false],
      ['3', 'queued', null, false],
      ['5', 'scheduled', null, false],
      ['6', 'rejected', 'blocked_prefix', null],
    ];
    expect(await inLine()).toEqual([['1', 'queued', null, true], ['4', 'submitting', null, true], ...others].sort());

    await database.transact((tx) => liftBlock(tx, 'demo', '+994501', new Date()));
    expect(await follow()).toBe(2);
    expect(await follow()).toBe(0);
    expect(await inLine()).toEqual([['1', 'queued', null, false], ['4', 'submitting', null, false], ...others].sort());
  });

  it('leaves a campaign alone that starts in a new place and is delivered', async () => {
    await queueMessages(database, 100, (index) => ({ to: `+99450${String(1_200_000 + index * 977)}` }));
    await database.dataSource.query('update messages set created_at = $1', [now]);
    await traffic('analytics_hourly', { prefix: '+994501', delivered: 100 });
    await look();
    expect(await events()).toEqual([]);
  });
});
