import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  countDue,
  dayOf,
  deleteQuota,
  type Dispatcher,
  putQuota,
  QuotaBook,
  type Scope,
  type SendOutcome,
} from '@signalbox/outbound';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import type { QuotaLimits, Tenant, TenantDirectory } from '@signalbox/tenants';
import { tenant, testConfig } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, outboxEvents, queueMessages } from '../../test/database.ts';
import type { MessagingConfig } from '../config.ts';
import type { Message } from '../message/message.ts';
import { circuitOpen, concurrencyLimit } from '../metrics.ts';
import { givenQuotas } from '../quota/quota-kinds.rules.ts';
import { messageDispatcher } from './dispatcher.ts';
import type { MessageProvider } from './provider.ts';

const logger = createLogger('spec', { level: 'silent' });
const account: Scope = { kind: 'account', value: '' };
const busy = { code: 20429, class: 'rate', title: 'Too many requests', remedy: 'Slow down' } as const;
const noCredentials = { code: 20003, class: 'configuration', title: 'Authentication', remedy: 'Mend it' } as const;

interface Arrival {
  readonly message: Message;
  readonly at: number;
  readonly underWay: number;
}

/** A provider that notes when calls arrive and how many were under way. */
class Clock {
  readonly arrivals: Arrival[] = [];
  underWay = 0;
  answer: (message: Message, call: number) => Promise<SendOutcome> | SendOutcome = (_message, call) => accepted(call);

  async send(message: Message): Promise<SendOutcome> {
    this.underWay++;
    this.arrivals.push({ message, at: performance.now(), underWay: this.underWay });
    try {
      return await this.answer(message, this.arrivals.length);
    } finally {
      this.underWay--;
    }
  }
}

function accepted(call: number): SendOutcome {
  return { kind: 'accepted', sid: `SM${String(call).padStart(32, '0')}`, status: 'queued', httpStatus: 201 };
}

describe('quotas in dispatch', () => {
  let database: MessagingDatabase;
  let provider: Clock;
  let tenants: Map<string, Tenant>;
  let running: Dispatcher<Message>[] = [];

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query(
      'truncate messages, attempts, message_history, message_checks, outbox, quotas, quota_buckets cascade',
    );
    provider = new Clock();
    tenants = new Map(['demo', 'other', 'third'].map((name) => [name, { ...tenant, name }]));
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  function replica(changes: Partial<MessagingConfig> = {}): void {
    const config = testConfig(changes);
    const directory = { byName: (name: string) => tenants.get(name) } as TenantDirectory;
    const book = new QuotaBook(database.transact, directory, givenQuotas);
    const sender = provider as unknown as MessageProvider;
    const dispatcher = messageDispatcher(database.transact, sender, book, directory, config, logger);
    dispatcher.start();
    running.push(dispatcher);
  }

  const set = (scope: Scope, limits: QuotaLimits, name = 'demo') =>
    database.transact((tx) => putQuota(tx, name, scope, limits));
  const sentTo = (prefix: string) => provider.arrivals.filter(({ message }) => message.to.startsWith(prefix)).length;
  const arrived = (count: number) =>
    eventually(() => expect(provider.arrivals.length).toBeGreaterThanOrEqual(count), { timeout: 20_000 });
  const to = (index: number, prefix = '+1415555') => ({ to: `${prefix}${1000 + index}` });
  const count = async (where: string) => {
    const rows = await database.dataSource.query<{ count: string }[]>(`select count(*) from messages where ${where}`);
    return Number(rows[0]?.count);
  };

  it('keeps several replicas within one budget from the first send on, and uses it', async () => {
    await set(account, { rate: 50, burst: 15 });
    await queueMessages(database, 160, (index) => to(index));
    const began = performance.now();
    for (let replicas = 0; replicas < 3; replicas++) replica();
    await arrived(160);
    // Fifteen at once and the others in their slots: a busy machine puts sends off and brings none forward.
    const early = provider.arrivals.filter(({ at }, index) => at - began < ((index - 15) * 1000) / 50 - 20);
    expect(early).toEqual([]);
    expect(new Set(provider.arrivals.map(({ message }) => message.id)).size).toBe(160);
  }, 30_000);

  it('counts each quota that a message falls under; a line that has to wait holds up no other', async () => {
    await set({ kind: 'prefix', value: '+1415' }, { dailyCap: 5 });
    await set({ kind: 'sender', value: '+14155550100' }, { dailyCap: 3 });
    await queueMessages(database, 20, (index) => to(index));
    await queueMessages(database, 20, (index) => to(index, '+4930555'));
    await queueMessages(database, 20, (index) => ({ ...to(index, '+3315555'), from: '+14155550100' }));
    replica();
    await eventually(() => expect(sentTo('+4930')).toBe(20));
    await eventually(() => expect([sentTo('+1415'), sentTo('+3315')]).toEqual([5, 3]));
    // The lines are told apart by now, so nothing that waits is touched again.
    await eventually(async () => expect(await count(`due_at is not null and queue = ''`)).toBe(0));
    const versions = () =>
      database.dataSource.query<object[]>('select id, xmin::text from messages where due_at is not null order by id');
    const before = await versions();
    await queueMessages(database, 1, () => to(99, '+4930555'));
    await eventually(() => expect(sentTo('+4930')).toBe(21));
    expect(await versions()).toEqual(before);
    expect(before).toHaveLength(32);
  });

  it('takes up a quota that is changed at run time', async () => {
    await set(account, { dailyCap: 2 });
    await queueMessages(database, 10, (index) => to(index));
    replica();
    await arrived(2);
    await set(account, { dailyCap: 5 });
    await arrived(5);
    await database.transact((tx) => deleteQuota(tx, 'demo', account));
    await arrived(10);
  });

  it('gives a code its slot at once, though a campaign takes every slot it can get', async () => {
    await set(account, { rate: 40, burst: 12 });
    await queueMessages(database, 400, (index) => ({ ...to(index), lane: 'bulk' }));
    replica();
    replica();
    await arrived(20);
    const [code] = await queueMessages(database, 1, () => ({ to: '+14155559999', lane: 'critical' }));
    const before = provider.arrivals.length;
    await eventually(() => expect(sentTo('+14155559999')).toBe(1));
    const place = provider.arrivals.findIndex(({ message }) => message.id === code?.id);
    // What arrived meanwhile had its slot before the code was there.
    expect(place - before).toBeLessThanOrEqual(6);
  });

  it('shares out among tenants: a long line of one starves no other', async () => {
    provider.answer = async (_message, call) => {
      await new Promise((resolve) => setImmediate(resolve));
      return accepted(call);
    };
    await queueMessages(database, 600, (index) => ({ ...to(index), tenant: 'demo', lane: 'bulk' }));
    for (const name of ['other', 'third']) {
      await queueMessages(database, 20, (index) => ({ ...to(index), tenant: name, lane: 'bulk' }));
    }
    replica({ DISPATCH_CONCURRENCY: 8 });
    await arrived(640);
    const lastOf = (name: string) => provider.arrivals.map(({ message }) => message.tenant).lastIndexOf(name);
    expect(Math.min(lastOf('other'), lastOf('third'))).toBeGreaterThanOrEqual(20);
    expect(Math.max(lastOf('other'), lastOf('third'))).toBeLessThan(120);
  }, 30_000);

  it('rejects what would expire before the cap lets it go, and keeps the rest for the next day', async () => {
    await set(account, { dailyCap: 1, timeZone: 'America/Los_Angeles' });
    await queueMessages(database, 1, () => to(0));
    replica();
    await arrived(1);
    await queueMessages(database, 2, (index) => ({
      ...to(index),
      expiresAt: index === 0 ? new Date(Date.now() + 1_000).toISOString() : null,
    }));
    await eventually(async () => expect(await count(`state = 'rejected'`)).toBe(1));
    const rejected = (await outboxEvents(database)).find(({ data }) => data.state === 'rejected');
    expect(rejected?.data).toMatchObject({ error: { code: 'over_quota' } });

    expect(await count(`state = 'queued' and due_at is not null`)).toBe(1);
    const yesterday = dayOf(Date.now() - 86_400_000, 'America/Los_Angeles');
    await database.dataSource.query('update quota_buckets set day = $1', [yesterday]);
    await arrived(2);
  });

  it('gives back to the cap what the provider turned away', async () => {
    await set(account, { dailyCap: 3 });
    provider.answer = (_message, call) =>
      call <= 4 ? { kind: 'deferred', error: busy, httpStatus: 429, retryAfterMs: null } : accepted(call);
    await queueMessages(database, 3, (index) => to(index));
    replica();
    await eventually(async () => expect(await count(`state = 'submitted'`)).toBe(3));
    const buckets = await database.dataSource.query<{ used: number }[]>('select used from quota_buckets');
    expect(buckets).toEqual([{ used: 3 }]);
  });

  it('lowers the concurrency of an account that is told to slow down, and holds it for Retry-After', async () => {
    let told = 0;
    provider.answer = async (_message, call) => {
      if (provider.underWay > 4) {
        told++;
        return { kind: 'deferred', error: busy, httpStatus: 429, retryAfterMs: 40 };
      }
      await new Promise((resolve) => setImmediate(resolve));
      return accepted(call);
    };
    await queueMessages(database, 150, (index) => to(index));
    replica({ DISPATCH_CONCURRENCY: 64 });
    await eventually(async () => expect(await count(`state = 'submitted'`)).toBe(150), { timeout: 20_000 });
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(150);
    const limit = (await concurrencyLimit.get()).values.find(({ labels }) => labels.tenant === 'demo')?.value;
    expect(limit).toBeLessThan(64);
  }, 30_000);

  it('stops for an account whose credentials fail, loses nothing, and goes on when they are mended', async () => {
    let mended = false;
    provider.answer = (message, call) =>
      mended || message.tenant !== 'demo'
        ? accepted(call)
        : { kind: 'deferred', error: noCredentials, httpStatus: 401, retryAfterMs: null, credentials: true };
    await queueMessages(database, 200, (index) => to(index));
    replica({ DISPATCH_CONCURRENCY: 8, CREDENTIALS_PROBE_MS: 60_000 });
    const isOpen = async () => (await circuitOpen.get()).values.find(({ labels }) => labels.tenant === 'demo')?.value;
    await eventually(async () => expect(await isOpen()).toBe(1));
    await eventually(() => expect(provider.underWay).toBe(0));
    const calls = provider.arrivals.length;
    expect(calls).toBeLessThanOrEqual(8);

    await queueMessages(database, 5, (index) => ({ ...to(index, '+4930555'), tenant: 'other' }));
    await eventually(() => expect(sentTo('+4930')).toBe(5));
    expect(provider.arrivals).toHaveLength(calls + 5);
    await eventually(async () =>
      expect(await count(`state in ('queued', 'submitting') and due_at is not null`)).toBe(200),
    );

    mended = true;
    tenants.set('demo', { ...tenant });
    await eventually(async () => expect(await count(`state = 'submitted'`)).toBe(205), { timeout: 20_000 });
    expect(await isOpen()).toBe(0);
  }, 40_000);

  it('probes a held account with one message after the pause', async () => {
    const refused = {
      kind: 'deferred',
      error: noCredentials,
      httpStatus: 401,
      retryAfterMs: null,
      credentials: true,
    } as const;
    provider.answer = (_message, call) => (call <= 11 ? refused : accepted(call));
    await queueMessages(database, 50, (index) => to(index));
    replica({ DISPATCH_CONCURRENCY: 8, CREDENTIALS_PROBE_MS: 30 });
    await eventually(async () => expect(await count(`state = 'submitted'`)).toBe(50), { timeout: 20_000 });
    // The first round found them refused; from then on there was one call at a time, until one got through.
    const probes = provider.arrivals.slice(8, 11);
    expect(probes.map(({ underWay }) => underWay)).toEqual([1, 1, 1]);
  });

  it('counts what is due, by lane, and not what is scheduled', async () => {
    await queueMessages(database, 3, (index) => ({ ...to(index), lane: 'bulk' }));
    await queueMessages(database, 2, (index) => ({
      ...to(index),
      sendAt: new Date(Date.now() + 60_000).toISOString(),
    }));
    expect(await Promise.all([0, 1, 2].map((lane) => countDue(database.dataSource, 'messages', lane)))).toEqual([
      0, 0, 3,
    ]);
    await database.dataSource.query(
      `insert into messages (id, tenant, idempotency_key, request_digest, channel, recipient, content, lane, fallback,
         metadata, traceparent, created_at, state, sequence, attempt, due_at, updated_at)
       select gen_random_uuid(), 'demo', n, '', 'sms', '+1', '{}', 0, '[]', '{}', '', now(), 'queued', 2, 0, now(), now()
       from generate_series(1, 12000) n`,
    );
    await database.dataSource.query('analyze messages');
    const due = await countDue(database.dataSource, 'messages', 0);
    expect(due).toBeGreaterThanOrEqual(10_000);
    expect(due).toBeLessThan(14_000);
  });
});
