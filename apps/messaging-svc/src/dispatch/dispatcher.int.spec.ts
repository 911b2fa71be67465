import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Dispatcher, SendOutcome } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { eventually } from '@signalbox/testing';
import { noQuotas, tenant, testConfig } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, outboxEvents, queueMessages } from '../../test/database.ts';
import type { MessagingConfig } from '../config.ts';
import type { ProviderReport } from '../delivery/delivery.rules.ts';
import type { Message } from '../message/message.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import type { ListedMessage } from './listed-message.ts';
import { messageDispatcher } from './dispatcher.ts';
import type { MessageProvider } from './provider.ts';

const logger = createLogger('spec', { level: 'silent' });
const noAnswer = { code: 'no_answer', class: 'retryable', title: 'No answer', remedy: 'Wait' } as const;
const busy = { code: 20429, class: 'rate', title: 'Too many requests', remedy: 'Slow down' } as const;

/** A provider with a ledger; `answer` decides whether it takes a message and whether its answer arrives. */
class Ledger implements Pick<MessageProvider, 'send' | 'listSince' | 'status'> {
  readonly taken: ListedMessage[] = [];
  readonly calls: string[] = [];
  looks = 0;
  answer: (message: Message, call: number) => 'accept' | 'busy' | 'lost before' | 'lost after' = () => 'accept';
  available = true;

  async send(message: Message): Promise<SendOutcome> {
    this.calls.push(message.id);
    const answer = this.answer(message, this.calls.filter((id) => id === message.id).length);
    if (answer === 'busy') return { kind: 'deferred', error: busy, httpStatus: 429, retryAfterMs: null };
    if (answer === 'lost before') return { kind: 'in_doubt', error: noAnswer, httpStatus: null };
    const sid = `SM${String(this.taken.length).padStart(32, '0')}`;
    this.taken.push({
      sid,
      to: message.to,
      from: '+14155550100',
      messagingServiceSid: message.messagingServiceSid,
      body: message.content.body ?? '',
      status: 'sent',
      createdAt: new Date(),
    });
    if (answer === 'lost after') return { kind: 'in_doubt', error: noAnswer, httpStatus: null };
    return { kind: 'accepted', sid, status: 'queued', httpStatus: 201 };
  }

  async listSince(message: Message): Promise<ListedMessage[]> {
    this.looks++;
    if (!this.available) throw new Error('the list is away');
    return this.taken.filter(({ to }) => to === message.to);
  }

  async status(_message: Message, sid: string): Promise<ProviderReport> {
    return { resourceSid: sid, status: 'delivered', errorCode: null };
  }
}

describe('dispatch', () => {
  let database: MessagingDatabase;
  let ledger: Ledger;
  let running: (Dispatcher<Message> | Reconciler)[] = [];

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query('truncate messages, attempts, message_history, message_checks, outbox cascade');
    ledger = new Ledger();
    inDoubt = undefined;
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  /** The tenant's policy for what stays in doubt. */
  let inDoubt: Tenant['inDoubt'];
  const tenants = { byName: () => ({ ...tenant, inDoubt }) } as unknown as TenantDirectory;

  function replica(changes: Partial<MessagingConfig> = {}, transact: Transact = database.transact) {
    const config = testConfig(changes);
    const provider = ledger as unknown as MessageProvider;
    const dispatcher = messageDispatcher(transact, provider, noQuotas, tenants, config, logger);
    const reconciler = new Reconciler(transact, provider, dispatcher, tenants, config, logger);
    return { dispatcher, reconciler };
  }

  function start(changes?: Partial<MessagingConfig>, transact?: Transact) {
    const { dispatcher, reconciler } = replica(changes, transact);
    for (const one of [dispatcher, reconciler]) {
      one.start();
      running.push(one);
    }
  }

  const states = () =>
    database.dataSource.query<{ state: string; count: string }[]>(
      'select state, count(*) from messages group by state',
    );
  const attempts = () =>
    database.dataSource.query<{ state: string; number: number; provider_sid: string | null }[]>(
      'select * from attempts order by message_id, number',
    );
  const history = (kind: string, attempt: number) =>
    database.dataSource.query<{ at: Date; detail: object }[]>(
      `select at, detail from message_history where kind = $1 and detail ->> 'attempt' = $2 order by id`,
      [kind, String(attempt)],
    );
  const allIn = (state: string, count: number) =>
    eventually(async () => expect(await states()).toEqual([{ state, count: String(count) }]), { timeout: 20_000 });

  it('shares a queue among replicas: each message is handed over once', async () => {
    await queueMessages(database, 400, (index) => ({ to: `+1415555${String(1000 + index)}` }));
    start();
    start();
    start();
    await allIn('submitted', 400);
    expect(ledger.taken).toHaveLength(400);
    expect(new Set(ledger.calls).size).toBe(400);
    const events = (await outboxEvents(database)).map(({ data }) => data.state);
    expect(events.filter((state) => state === 'submitting')).toHaveLength(400);
    expect(events.filter((state) => state === 'submitted')).toHaveLength(400);
  });

  it('takes the critical lane first', async () => {
    await queueMessages(database, 60, (index) => ({
      lane: index % 20 === 0 ? 'critical' : 'bulk',
      to: `+1415555${1000 + index}`,
    }));
    start({ DISPATCH_CONCURRENCY: 3 });
    await allIn('submitted', 60);
    const lanes = await database.dataSource.query<{ id: string; lane: number }[]>('select id, lane from messages');
    const critical = new Set(lanes.filter(({ lane }) => lane === 0).map(({ id }) => id));
    expect(ledger.calls.slice(0, 3).every((id) => critical.has(id))).toBe(true);
  });

  it('tries again what the provider turned away, and tells nobody of the detour', async () => {
    await queueMessages(database, 1);
    ledger.answer = (_message, call) => (call < 4 ? 'busy' : 'accept');
    start();
    await allIn('submitted', 1);
    expect((await attempts()).map(({ state }) => state)).toEqual(['deferred', 'deferred', 'deferred', 'accepted']);
    expect((await outboxEvents(database)).map(({ data }) => data.sequence)).toEqual([1, 2, 3, 4]);
  });

  it('finds a message in the provider’s list whose answer was lost, and does not send it again', async () => {
    await queueMessages(database, 5, (index) => ({ to: `+1415555${1000 + index}` }));
    ledger.answer = () => 'lost after';
    start();
    await allIn('sent', 5);
    expect(ledger.taken).toHaveLength(5);
    expect((await attempts()).map(({ state }) => state)).toEqual(Array(5).fill('accepted'));
  });

  it('sends again only what the provider provably has not', async () => {
    await queueMessages(database, 5, (index) => ({ to: `+1415555${1000 + index}` }));
    ledger.answer = (_message, call) => (call === 1 ? 'lost before' : 'accept');
    start();
    await allIn('submitted', 5);
    expect(ledger.taken).toHaveLength(5);
    expect((await attempts()).map(({ number, state }) => `${number} ${state}`)).toEqual(
      Array(5).fill(['1 not_taken', '2 accepted']).flat(),
    );
  });

  it('gives equal messages to one recipient distinct matches', async () => {
    await queueMessages(database, 6);
    let call = 0;
    ledger.answer = () => (call++ % 2 ? 'lost after' : 'lost before');
    start();
    await eventually(
      async () => {
        const open = (await attempts()).filter(({ state }) => state === 'calling' || state === 'in_doubt');
        expect(open).toEqual([]);
        expect((await states()).every(({ state }) => state !== 'submitting' && state !== 'queued')).toBe(true);
      },
      { timeout: 20_000 },
    );
    expect(ledger.taken).toHaveLength(6);
    const sids = (await attempts()).flatMap(({ provider_sid }) => provider_sid ?? []);
    expect(new Set(sids).size).toBe(6);
  });

  it('holds what is in doubt while the list cannot be read', async () => {
    await queueMessages(database, 1);
    ledger.answer = (_message, call) => (call === 1 ? 'lost before' : 'accept');
    ledger.available = false;
    start();
    await eventually(async () => expect((await attempts())[0]?.state).toBe('in_doubt'));
    expect(ledger.calls).toHaveLength(1);
    ledger.available = true;
    await allIn('submitted', 1);
    expect(ledger.taken).toHaveLength(1);
  });

  it('sends again what nobody could settle for as long as the tenant wants to wait, once, and tells so', async () => {
    await queueMessages(database, 1);
    ledger.answer = () => 'lost after';
    ledger.available = false;
    inDoubt = { policy: 'resend', after: 'PT0.2S' };
    start();
    const seen = async () => (await attempts()).map(({ state }) => state);
    await eventually(async () => expect(await seen()).toEqual(['given_up', 'in_doubt']), { timeout: 20_000 });
    const told = (attempt: number) => history('in_doubt', attempt);
    await eventually(async () => expect(await told(2)).toHaveLength(1));
    const [first] = await told(1);
    const [settled] = await history('settled', 1);
    expect(settled).toMatchObject({ detail: { as: 'resend', by: 'the policy of the tenant' } });
    expect((settled?.at.getTime() ?? 0) - (first?.at.getTime() ?? 0)).toBeGreaterThanOrEqual(200);

    // It could be given up again by now, were it not for the first time.
    const looks = ledger.looks;
    await database.dataSource.query(`update message_history set at = at - interval '1 hour' where kind = 'in_doubt'`);
    await eventually(() => expect(ledger.looks).toBeGreaterThan(looks + 2));
    expect(await seen()).toEqual(['given_up', 'in_doubt']);
    expect(ledger.taken).toHaveLength(2);
  });

  it('holds what the list does not tell from another message', async () => {
    const template = { contentSid: 'HX00000000000000000000000000000001', body: null };
    await queueMessages(database, 2, (index) => ({ ...template, contentVariables: { '1': String(index) } }));
    ledger.answer = (_message, call) =>
      call > 1 ? 'accept' : ledger.taken.length === 0 ? 'lost after' : 'lost before';
    start();
    await eventually(async () => {
      expect(await history('in_doubt', 1)).toEqual([
        expect.objectContaining({ detail: { attempt: 1, why: expect.stringContaining('it or another') } }),
        expect.objectContaining({ detail: { attempt: 1, why: expect.stringContaining('it or another') } }),
      ]);
    });
    expect(ledger.calls).toHaveLength(2);
    expect((await attempts()).map(({ state }) => state)).toEqual(['in_doubt', 'in_doubt']);
  });

  it('settles the attempt of a process that died between the call and its answer', async () => {
    await queueMessages(database, 20, (index) => ({ to: `+1415555${1000 + index}` }));
    // As `kill -9` leaves it: the claim is committed, the provider called, and nothing after that.
    let dead = false;
    const dying: Transact = (work) => (dead ? new Promise(() => undefined) : database.transact(work));
    const { dispatcher } = replica({ DISPATCH_CONCURRENCY: 20 }, dying);
    ledger.answer = () => {
      dead = true;
      return 'accept';
    };
    dispatcher.start();
    await eventually(() => expect(ledger.calls.length).toBeGreaterThan(0));
    await database.dataSource.query(`update attempts set lease_until = now()`);
    ledger.answer = () => 'accept';
    start();
    await eventually(
      async () => {
        const rest = (await states()).filter(({ state }) => state === 'submitting' || state === 'queued');
        expect(rest).toEqual([]);
      },
      { timeout: 20_000 },
    );
    expect(ledger.taken).toHaveLength(20);
    expect(new Set(ledger.taken.map(({ to }) => to)).size).toBe(20);
  });

  it('does not call when its lease is nearly over, and says that it did not', async () => {
    await queueMessages(database, 1);
    start({ ATTEMPT_LEASE_MS: 15_000, PROVIDER_TIMEOUT_MS: 15_000 });
    await eventually(async () =>
      expect((await attempts())[0]).toMatchObject({ state: 'deferred', error: { code: 'not_called_in_time' } }),
    );
    expect(ledger.calls).toEqual([]);
  });

  it('leaves what nobody answered alone until it can be in the list', async () => {
    await queueMessages(database, 1);
    let dead = false;
    const dying: Transact = (work) => (dead ? new Promise(() => undefined) : database.transact(work));
    ledger.answer = () => {
      dead = true;
      return 'accept';
    };
    replica({}, dying).dispatcher.start();
    await eventually(() => expect(ledger.calls).toHaveLength(1));
    await database.dataSource.query(`update attempts set lease_until = now()`);
    start({ IN_DOUBT_SETTLE_MS: 600_000 });
    const alone = () =>
      database.dataSource.query(
        `select state from attempts where lease_until > now() + interval '5 minutes' and state = 'in_doubt'`,
      );
    await eventually(async () => expect(await alone()).toHaveLength(1));
    expect(ledger.looks).toBe(0);
  });

  it('gives back what it has claimed and not called when it is stopped', async () => {
    await queueMessages(database, 30, (index) => ({ to: `+1415555${1000 + index}` }));
    const answered = Promise.withResolvers<void>();
    const send = ledger.send.bind(ledger);
    ledger.send = async (message) => {
      await answered.promise;
      return send(message);
    };
    const { dispatcher } = replica({ DISPATCH_CONCURRENCY: 3 });
    dispatcher.start();
    const count = async (state: string) => (await attempts()).filter((attempt) => attempt.state === state).length;
    await eventually(async () => expect(await count('calling')).toBeGreaterThan(10));
    const claimed = await count('calling');
    const stopped = dispatcher.stop();
    await eventually(async () => expect(await count('deferred')).toBeGreaterThan(0));
    answered.resolve();
    await stopped;
    expect(ledger.calls.length).toBeLessThanOrEqual(3);
    expect([await count('accepted'), await count('deferred')]).toEqual([
      ledger.calls.length,
      claimed - ledger.calls.length,
    ]);
  });

  it('asks about a message whose callbacks never came', async () => {
    await queueMessages(database, 3, (index) => ({ to: `+1415555${1000 + index}` }));
    start({ CALLBACK_OVERDUE_MS: 1, ATTEMPT_LEASE_MS: 100, PROVIDER_TIMEOUT_MS: 50 });
    await allIn('delivered', 3);
    const history = await database.dataSource.query<{ kind: string }[]>(
      `select kind from message_history where kind = 'provider_status'`,
    );
    expect(history.length).toBeGreaterThanOrEqual(3);
  });

  it('stops asking in the end also when the provider cannot be asked', async () => {
    await queueMessages(database, 2, (index) => ({ to: `+1415555${1000 + index}` }));
    start();
    await allIn('submitted', 2);
    ledger.status = async () => {
      throw new Error('no such message');
    };
    await database.dataSource.query(
      `with old as (update messages set created_at = now() - interval '2 days', check_at = now() returning id)
       insert into message_checks (check_at, message_id) select now(), id from old`,
    );
    const asked = () => database.dataSource.query('select from messages where check_at is not null');
    await eventually(async () => expect(await asked()).toEqual([]));
  });
});
