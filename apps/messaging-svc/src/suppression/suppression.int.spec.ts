import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventOf, type SendCommand, type topics } from '@signalbox/contracts';
import { Batch } from '@signalbox/kafka';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { createLogger } from '@signalbox/telemetry';
import { eventually } from '@signalbox/testing';
import { acceptorConfig, command, directory, noQuotas, silent, tenant, testConfig } from '../../test/builders.ts';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import { number, optOut, person, service, suppressionEvents, suppressNow } from '../../test/suppression.ts';
import { type Accepted, Acceptor } from '../acceptance/acceptor.ts';
import type { MessagingConfig } from '../config.ts';
import { DeliveryHandler } from '../delivery/delivery.handler.ts';
import type { Dispatcher, SendOutcome } from '@signalbox/outbound';
import { messageDispatcher } from '../dispatch/dispatcher.ts';
import type { MessageProvider } from '../dispatch/provider.ts';
import type { Message } from '../message/message.ts';
import { lock } from '../message/message.store.ts';
import { findDrift } from './suppression.queries.ts';
import { applyRequests, suppressedAmong } from './suppression.store.ts';

const logger = createLogger('spec', { level: 'silent' });
const recipient = (index: number) => `+1415555${1000 + index}`;

let database: MessagingDatabase;
beforeAll(async () => (database = await messagingDatabase()));
afterAll(() => database.close());
beforeEach(() =>
  database.dataSource.query(
    'truncate messages, attempts, message_history, message_checks, outbox, unmatched_callbacks, suppressions, suppression_changes, sender_pools, conversations cascade',
  ),
);

const messageRows = () =>
  database.dataSource.query<{ id: string; recipient: string; state: string; sequence: number; error: unknown }[]>(
    'select id, recipient, state, sequence, error, sender from messages order by recipient, id',
  );
const states = async () => (await messageRows()).map(({ state }) => state);

describe('acceptance', () => {
  const acceptorOf = (one: Tenant) =>
    new Acceptor({ byName: () => one } as unknown as TenantDirectory, noQuotas, null, acceptorConfig, silent);
  const accept = (commands: Partial<SendCommand>[], acceptor = acceptorOf(tenant)) =>
    database.transact((tx) =>
      acceptor.accept(
        tx,
        commands.map((changes, index) => ({
          command: command({ idempotencyKey: `key-${index}`, ...changes }),
          traceparent: undefined,
        })),
      ),
    ) as Promise<Accepted[]>;

  it('rejects what would go to someone who opted out, and takes the rest of the batch', async () => {
    await suppressNow(database, optOut(), optOut({ recipient: '+14155550198', scope: number }));
    const results = await accept([
      {},
      { to: '+14155550198' },
      { to: '+14155550198', from: number },
      { channel: 'mms', mediaUrls: ['https://example.com/a.png'] },
      { from: number },
      { to: `whatsapp:${person}`, channel: 'whatsapp', contentSid: `HX${'0'.repeat(32)}` },
    ]);
    expect(results.map(({ state }) => state)).toEqual([
      'rejected',
      'queued',
      'rejected',
      'rejected',
      'queued',
      'queued',
    ]);
    const rejected = (await messageRows()).find(({ state }) => state === 'rejected');
    expect(rejected).toMatchObject({ sequence: 1, error: { code: 'suppressed', class: 'compliance' } });
  });

  it('tells a repeat what became of the first', async () => {
    await accept([{}]);
    await suppressNow(database, optOut());
    expect(await accept([{}])).toMatchObject([{ state: 'queued', result: 'repeat' }]);
  });

  it('writes from the sender a person knows when the tenant has several and no service', async () => {
    const plain: Tenant = {
      ...tenant,
      senders: [number, '+14155550101'],
      messagingServices: {},
      defaultSender: number,
    };
    delete plain.defaultMessagingService;
    await database.dataSource.query(
      `insert into conversations values ('demo', $1, '', '+14155550101', now()), ('demo', '+14155550198', '', '+14155550999', now())`,
      [person],
    );
    await accept([{}, { from: number }, { to: '+14155550198' }, { to: '+14155550197' }], acceptorOf(plain));
    const senders = await database.dataSource.query<{ sender: string }[]>(
      'select sender from messages order by idempotency_key',
    );
    expect(senders.map(({ sender }) => sender)).toEqual(['+14155550101', number, number, number]);
  });
});

describe('dispatch', () => {
  let calls: Message[];
  let answer: (message: Message) => SendOutcome | Promise<SendOutcome>;
  let running: Dispatcher<Message>[] = [];

  beforeEach(() => {
    calls = [];
    answer = ({ id }) => ({ kind: 'accepted', sid: `SM${id.replaceAll('-', '')}`, status: 'queued', httpStatus: 201 });
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  function start(changes: Partial<MessagingConfig> = {}): Dispatcher<Message> {
    const provider = {
      send: async (message: Message) => {
        calls.push(message);
        return answer(message);
      },
    } as unknown as MessageProvider;
    const dispatcher = messageDispatcher(database.transact, provider, noQuotas, directory, testConfig(changes), logger);
    dispatcher.start();
    running.push(dispatcher);
    return dispatcher;
  }

  it('rejects what was queued, scheduled or waiting for another attempt when the STOP came', async () => {
    const messages = await queueMessages(database, 4, (index) => ({ to: recipient(index) }));
    await database.dataSource.query(`update messages set state = 'scheduled' where id = $1`, [messages[1]?.id]);
    await database.dataSource.query(
      `update messages set state = 'submitting', sequence = 3, attempt = 1 where id = $1`,
      [messages[2]?.id],
    );
    await suppressNow(database, ...[0, 1, 2].map((index) => optOut({ recipient: recipient(index) })));
    start();
    await eventually(async () => expect(await states()).toEqual(['rejected', 'rejected', 'rejected', 'submitted']));
    expect(calls.map(({ to }) => to)).toEqual([recipient(3)]);
    expect((await messageRows())[0]?.error).toMatchObject({ code: 'suppressed', class: 'compliance' });
  });

  it('sends again after an opt-in', async () => {
    await suppressNow(database, optOut(), optOut({ state: 'opted_in' }));
    await queueMessages(database, 1);
    start();
    await eventually(async () => expect(await states()).toEqual(['submitted']));
  });

  it('learns from 21610 that someone opted out, and sends them nothing more', async () => {
    answer = () => ({
      kind: 'refused',
      error: { code: 21610, class: 'compliance', title: 'Opted out', remedy: 'Stop' },
      httpStatus: 400,
    });
    const [message] = await queueMessages(database, 1);
    start();
    await eventually(async () => expect(await states()).toEqual(['failed']));
    expect(await suppressionEvents(database)).toMatchObject([
      { recipient: person, scope: service, state: 'opted_out', reason: 'provider_refused', source: message?.id },
    ]);
    await queueMessages(database, 1);
    await eventually(async () => expect((await states()).sort()).toEqual(['failed', 'rejected']));
    expect(calls).toHaveLength(1);
  });

  it('does not undo a START by the refusal of a call made before it', async () => {
    await suppressNow(database, optOut());
    const { promise: started, resolve: startNow } = Promise.withResolvers<void>();
    const { promise: refusal, resolve: refuse } = Promise.withResolvers<SendOutcome>();
    await suppressNow(database, optOut({ state: 'opted_in', at: '2026-01-01T00:00:00.000Z' }));
    answer = () => {
      startNow();
      return refusal;
    };
    await queueMessages(database, 1);
    start();
    await started;
    await suppressNow(database, optOut({ at: '2026-01-02T00:00:00.000Z' }), optOut({ state: 'opted_in' }));
    const error = { code: 21610, class: 'compliance', title: 'Opted out', remedy: 'Stop' } as const;
    refuse({ kind: 'refused', error, httpStatus: 400 });
    await eventually(async () => expect(await states()).toEqual(['failed']));
    expect((await suppressionEvents(database)).at(-1)?.state).toBe('opted_in');
  });

  it('obeys a STOP that is committed between the lock of a claim and its look at the list, and neither waits for the other', async () => {
    const [message] = (await queueMessages(database, 1)) as [Message];
    await database.transact(async (tx) => {
      await lock(tx, [message.id]);
      expect((await suppressedAmong(tx, [message])).size).toBe(0);
      await suppressNow(database, optOut());
      expect(await suppressedAmong(tx, [message])).toEqual(new Set([message.id]));
    });
  });

  it('opens no attempt after the transaction of a STOP has committed, with replicas claiming all the while', async () => {
    const people = 150;
    await queueMessages(database, people * 4, (index) => ({ to: recipient(index % people) }));
    const committedAt = new Map<string, number>();
    const stops = (async () => {
      for (let index = people - 1; index >= 0; index -= 2) {
        await suppressNow(database, optOut({ recipient: recipient(index) }));
        committedAt.set(recipient(index), Date.now());
      }
    })();
    for (let replica = 0; replica < 3; replica++) start({ DISPATCH_CONCURRENCY: 4 });
    await stops;
    await eventually(async () => {
      expect((await states()).filter((state) => state !== 'submitted' && state !== 'rejected')).toEqual([]);
    });
    const attempts = await database.dataSource.query<{ recipient: string; started_at: Date }[]>(
      'select m.recipient, a.started_at from attempts a join messages m on m.id = a.message_id',
    );
    const late = attempts.filter(({ recipient: to, started_at }) => {
      return started_at.getTime() > (committedAt.get(to) ?? Infinity);
    });
    expect(late).toEqual([]);
    expect(committedAt.size).toBe(people / 2);
    const rejected = (await states()).filter((state) => state === 'rejected').length;
    expect(rejected).toBeGreaterThan(0);
    expect(calls.length + rejected).toBe(people * 4);
  });

  it('does not make a call that has waited for its turn when the STOP came meanwhile', async () => {
    await queueMessages(database, 2, (index) => ({ to: recipient(index), lane: 'critical' }));
    const { promise: held, resolve: release } = Promise.withResolvers<SendOutcome>();
    answer = () => held;
    start({ DISPATCH_CONCURRENCY: 1 });
    const openedAt = async () =>
      database.dataSource.query<{ recipient: string; started_at: Date }[]>(
        'select m.recipient, a.started_at from attempts a join messages m on m.id = a.message_id order by a.started_at',
      );
    const waiting = await eventually(async () => {
      const opened = await openedAt();
      expect(opened).toHaveLength(2);
      expect(calls).toHaveLength(1);
      expect(Date.now() - Number(opened.at(-1)?.started_at)).toBeGreaterThan(200);
      return opened.map(({ recipient: to }) => to).find((to) => to !== calls[0]?.to);
    });
    await suppressNow(database, optOut({ recipient: waiting ?? '' }));
    release({ kind: 'accepted', sid: `SM${'0'.repeat(32)}`, status: 'queued', httpStatus: 201 });
    await eventually(async () => expect((await states()).sort()).toEqual(['rejected', 'submitted']));
    expect(calls).toHaveLength(1);
  });
});

describe('the list', () => {
  it('numbers the changes of a key without a gap when many want to make them at once', async () => {
    const asked = Array.from({ length: 40 }, (_, index) =>
      ['+14155550197', person, '+14155550198'].map((to) =>
        optOut({ recipient: to, state: index % 2 ? 'opted_in' : 'opted_out' }),
      ),
    );
    const changes = await Promise.all(
      asked.map((requests, index) => suppressNow(database, ...(index % 3 ? requests : [...requests].reverse()))),
    );
    const events = await suppressionEvents(database);
    expect(changes.flat()).toHaveLength(events.length);
    for (const to of ['+14155550197', person, '+14155550198']) {
      const own = events.filter((event) => event.recipient === to);
      expect(own.map(({ sequence }) => sequence)).toEqual(own.map((_, index) => index + 1));
      own.forEach(({ state }, index) => expect(state).toBe(index % 2 ? 'opted_in' : 'opted_out'));
    }
  });

  it('keeps nothing of a transaction that fails', async () => {
    const failed = database.transact(async (tx) => {
      await applyRequests(tx, [optOut()]);
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(await suppressionEvents(database)).toEqual([]);
    expect(await database.dataSource.query('select * from suppressions')).toEqual([]);
  });
});

type Callback = EventOf<typeof topics.twilioMessageCallbacks>;

describe('status callbacks and drift', () => {
  const handler = new DeliveryHandler();
  let callbacks = 0;

  function callback(
    status: string,
    errorCode: number | null,
    params: Record<string, string>,
    messageId?: string,
  ): Callback {
    const data = {
      accountSid: tenant.twilio.accountSid,
      tenant: 'demo',
      resourceSid: `SM${String(++callbacks).padStart(32, '0')}`,
      correlationId: messageId ?? null,
      status,
      providerTime: null,
      receivedAt: new Date().toISOString(),
      errorCode,
      params: { MessageStatus: status, To: person, ...params },
    };
    return {
      id: `${data.resourceSid}/${status}`,
      source: 's',
      type: 'twilio.message.status.v1',
      time: data.receivedAt,
      data,
    };
  }
  const apply = (...events: Callback[]) => {
    const records = events.map((event, index) => {
      return { event, key: event.data.resourceSid, topic: 't', partition: 0, offset: String(index), attempt: 1 };
    });
    return database.transact((tx) => handler.applyCallbacks(new Batch(records), tx));
  };

  it('heal the list, also when another system sent the message, and once only', async () => {
    const [message] = (await queueMessages(database, 1)) as [Message];
    await database.dataSource.query(`update messages set state = 'submitting', sequence = 3`);
    const ours = callback('failed', 21610, { From: number, MessagingServiceSid: service }, message.id);
    const theirs = callback('undelivered', 30004, { From: '+18885550100', To: '+14155550198' });
    await apply(ours, theirs, ours, theirs);
    expect(await suppressionEvents(database)).toMatchObject([
      { recipient: person, scope: service, reason: 'provider_refused', source: ours.data.resourceSid },
      { recipient: '+14155550198', scope: '+18885550100', reason: 'provider_refused', source: theirs.data.resourceSid },
    ]);
    const start = { state: 'opted_in', reason: 'stop_keyword' } as const;
    await suppressNow(database, optOut(start), optOut({ ...start, recipient: '+14155550198', scope: '+18885550100' }));
    await apply(ours, theirs);
    expect(await suppressionEvents(database)).toHaveLength(4);
  });

  it('teach which service a sender belongs to', async () => {
    await suppressNow(database, optOut());
    await apply(callback('sent', null, { From: '+14155550101', MessagingServiceSid: service, To: '+14155550190' }));
    const id = '019a0000-0000-7000-8000-000000000001';
    const plain = { id, tenant: 'demo', to: person, from: '+14155550101', messagingServiceSid: null };
    expect(await database.transact((tx) => suppressedAmong(tx, [plain]))).toEqual(new Set([id]));
  });

  it('show where the provider’s list and ours have parted', async () => {
    const minutes = (ago: number) => new Date(Date.now() - ago * 60_000).toISOString();
    const sent = await queueMessages(database, 3, (index) => ({ to: recipient(index) }));
    await database.dataSource.query(`update messages set state = 'delivered', provider_sid = 'SM' || id`);
    await database.dataSource.query(
      `insert into attempts (message_id, number, state, started_at, lease_until, worker)
       select id, 1, 'accepted', now() - interval '10 minutes', now(), 'w' from messages`,
    );
    await suppressNow(
      database,
      optOut({ recipient: recipient(0), at: minutes(20) }),
      // Handed over before: no drift.
      optOut({ recipient: recipient(1), at: minutes(5) }),
      optOut({ recipient: recipient(2), at: minutes(20), scope: '+14155550177' }),
      optOut({ recipient: '+14155550198', at: minutes(20), scope: '*' }),
    );
    await apply(
      callback('failed', 21610, { From: number }),
      callback('delivered', null, { From: '+14155550111', To: '+14155550198' }),
      callback('delivered', null, { From: '+14155550111', To: '+14155550197' }),
    );
    const drift = await findDrift(database.dataSource, 'demo', new Date(minutes(60)), 10);
    expect(drift.refusedButNotListed).toMatchObject({
      recipients: 1,
      examples: [{ recipient: person, scope: number }],
    });
    expect(drift.listedButDelivered.recipients).toBe(2);
    expect(drift.listedButDelivered.examples).toMatchObject([
      { recipient: '+14155550198', messageId: null },
      { recipient: recipient(0), messageId: sent[0]?.id },
    ]);
    expect((await findDrift(database.dataSource, 'other', new Date(0), 10)).listedButDelivered.recipients).toBe(0);
  });
});
