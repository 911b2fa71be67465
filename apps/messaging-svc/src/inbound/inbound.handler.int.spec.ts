import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MessageReceived, type SuppressionChanged, topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { OutboxRelay, run } from '@signalbox/persistence';
import { cursorParameter } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import fc from 'fast-check';
import { type MessagingDatabase, messagingDatabase, queueMessages } from '../../test/database.ts';
import {
  inboundBatch,
  number,
  optOut,
  person,
  service,
  suppressionEvents,
  suppressNow,
  text,
} from '../../test/suppression.ts';
import { suppressedAmong } from '../suppression/suppression.store.ts';
import { InboundHandler } from './inbound.handler.ts';
import { listInbound } from './inbound.queries.ts';
import { knownSenders } from './known-sender.store.ts';

const logger = createLogger('spec', { level: 'silent' });
const ofService = { params: { MessagingServiceSid: service } };

describe('InboundHandler', () => {
  const handler = new InboundHandler();
  let database: MessagingDatabase;

  beforeAll(async () => (database = await messagingDatabase()));
  afterAll(() => database.close());
  beforeEach(() =>
    database.dataSource.query(
      'truncate messages, attempts, message_history, message_checks, outbox, inbound_messages, suppressions, suppression_changes, sender_pools, conversations cascade',
    ),
  );

  const take = (...texts: ReturnType<typeof text>[]) =>
    database.transact((tx) => handler.takeInbound(inboundBatch(...texts), tx));
  const received = () =>
    database.transact(async (tx) => {
      const sql = 'select value from outbox where topic = $1 order by id';
      const { rows } = await run<{ value: string }>(tx, sql, [topics.messagingEvents.name]);
      return rows.map(({ value }) => JSON.parse(value) as MessageReceived).filter(({ from }) => from !== undefined);
    });
  const changes = async () =>
    (await suppressionEvents(database)).map(({ scope, state, reason, keyword, sequence }) => [
      sequence,
      state,
      reason === 'advanced_opt_out' ? reason : (keyword ?? null),
      scope,
    ]);
  const suppressed = (messages: { from?: string; service?: string; to?: string; tenant?: string }[]) =>
    database.transact(async (tx) => {
      const id = (index: number) => `019a0000-0000-7000-8000-${String(index).padStart(12, '0')}`;
      const asked = messages.map((message, index) => ({
        id: id(index),
        tenant: message.tenant ?? 'demo',
        to: message.to ?? person,
        from: message.from ?? null,
        messagingServiceSid: message.service ?? null,
      }));
      const found = await suppressedAmong(tx, asked);
      return messages.map((_, index) => found.has(id(index)));
    });

  describe('keywords', () => {
    it('opts out of the number that was written to, when it is in no service', async () => {
      const stop = text(' Stop ');
      await take(stop);
      expect(await suppressionEvents(database)).toEqual([
        {
          tenant: 'demo',
          recipient: person,
          channel: 'sms',
          scope: number,
          state: 'opted_out',
          reason: 'stop_keyword',
          keyword: 'STOP',
          at: stop.data.receivedAt,
          sequence: 1,
          source: stop.data.resourceSid,
        },
      ]);
      expect(
        await suppressed([
          { from: number },
          { from: '+14155550101' },
          { service },
          { from: number, to: '+14155550198' },
          { from: number, to: `whatsapp:${person}` },
          { from: number, tenant: 'other' },
        ]),
      ).toEqual([true, false, false, false, false, false]);
    });

    it('opts out of the whole service, whichever way a message would go there', async () => {
      await take(text('STOP', ofService));
      await take(text('hello', { ...ofService, from: '+14155550198', to: '+14155550101' }));
      expect(await changes()).toEqual([[1, 'opted_out', 'STOP', service]]);
      expect(
        await suppressed([{ service }, { from: number }, { from: '+14155550101' }, { from: '+14155550102' }]),
      ).toEqual([true, true, true, false]);
    });

    it('lets START lift what a STOP, a refusal or an import put there, in every form of the scope, and not the tenant’s *', async () => {
      await suppressNow(database, optOut({ scope: number }), optOut({ scope: '+14155550101' }), optOut({ scope: '*' }));
      await take(text('hello', { ...ofService, to: '+14155550101', from: '+14155550198' }));
      await take(text('STOP', ofService));
      await take(text('UNSTOP', ofService));
      const { rows } = await database.transact((tx) =>
        run<{ scope: string; state: string }>(tx, 'select scope, state from suppressions order by scope'),
      );
      expect(rows).toEqual([
        { scope: '*', state: 'opted_out' },
        { scope: '+14155550100', state: 'opted_in' },
        { scope: '+14155550101', state: 'opted_in' },
        { scope: service, state: 'opted_in' },
      ]);
    });

    it('counts a YES as START after a STOP only, and says that it was no more than a YES', async () => {
      await take(text('YES'));
      expect(await changes()).toEqual([]);
      await take(text('STOP'), text('yes'));
      expect(await changes()).toEqual([
        [1, 'opted_out', 'STOP', number],
        [2, 'opted_in', 'YES', number],
      ]);
      expect((await received()).map(({ optOutType }) => optOutType)).toEqual([null, 'STOP', null]);
    });

    it('believes Advanced Opt-Out rather than the text', async () => {
      const said = (type: string) => ({ params: { ...ofService.params, OptOutType: type } });
      await take(text('Genug!', said('STOP')), text('STOP', said('START')), text('START', said('HELP')));
      expect(await changes()).toEqual([
        [1, 'opted_out', 'advanced_opt_out', service],
        [2, 'opted_in', 'advanced_opt_out', service],
      ]);
      expect((await received()).map(({ optOutType }) => optOutType)).toEqual(['STOP', 'START', 'HELP']);
    });

    it('marks HELP by its own reading, and answers nothing', async () => {
      await take(text('Info'), text('help'), text('HELP me'));
      expect((await received()).map(({ optOutType }) => optOutType)).toEqual(['HELP', 'HELP', null]);
      expect(await changes()).toEqual([]);
      expect(await database.dataSource.query('select id from messages')).toEqual([]);
    });

    it('keeps WhatsApp apart from SMS', async () => {
      const whatsapp = { from: `whatsapp:${person}`, to: `whatsapp:${number}` };
      await take(text('Stop', whatsapp), text('Yes', whatsapp));
      expect(await suppressionEvents(database)).toMatchObject([
        { channel: 'whatsapp', recipient: `whatsapp:${person}`, scope: `whatsapp:${number}`, state: 'opted_out' },
      ]);
      expect(await suppressed([{ from: number }, { from: `whatsapp:${number}`, to: `whatsapp:${person}` }])).toEqual([
        false,
        true,
      ]);
    });

    it('lets a number leave its service', async () => {
      await take(text('STOP', ofService));
      await take(text('hello', { from: '+14155550198' }));
      expect(await suppressed([{ service }, { from: number }])).toEqual([true, false]);
    });

    it('changes nothing by duplicates, late or in the same batch', async () => {
      const [stop, start] = [text('STOP'), text('START')];
      await take(stop, stop, start);
      await take(stop, start, stop);
      expect(await changes()).toEqual([
        [1, 'opted_out', 'STOP', number],
        [2, 'opted_in', 'START', number],
      ]);
      expect(await received()).toHaveLength(2);
    });

    it('ends where the last word to arrive first says, whatever is delivered again and however it is cut into batches', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom('STOP', 'START', 'YES', 'HELP', 'hi'), { minLength: 1, maxLength: 8 }),
          fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 6 }),
          fc.integer({ min: 1, max: 5 }),
          async (words, repeats, size) => {
            const from = `+1${String(2_000_000_000 + Math.trunc(Number.parseInt(randomBytes(4).toString('hex'), 16) / 8))}`;
            const texts = words.map((word) => text(word, { from }));
            const delivered = [...texts];
            // A repeat comes after the first delivery: insert copies further on.
            for (const [of, gap] of repeats) {
              const original = texts[of % texts.length];
              if (original) delivered.splice(delivered.indexOf(original) + 1 + gap, 0, original);
            }
            for (let at = 0; at < delivered.length; at += size) await take(...delivered.slice(at, at + size));
            const last = words.filter((word) => word !== 'HELP' && word !== 'hi').at(-1);
            expect(await suppressed([{ from: number, to: from }])).toEqual([last === 'STOP']);
            const own = (await suppressionEvents(database)).filter(({ recipient }) => recipient === from);
            expect(own.map(({ sequence }) => sequence)).toEqual(own.map((_, index) => index + 1));
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  describe('conversation', () => {
    it('links a reply to our last message from that sender or service', async () => {
      const sent = await queueMessages(database, 4, (index) => ({
        ...(index === 3 ? { to: '+14155550198' } : {}),
        ...(index === 0 ? { from: number } : {}),
      }));
      await database.dataSource.query(
        `update messages set attempt = 1, created_at = created_at - interval '1 minute' where id <> $1`,
        [sent[2]?.id],
      );
      await take(text('hi', ofService), text('hi'), text('hi', { from: '+14155550197' }));
      // The third to this service was not handed over yet; the plain sender has its own.
      expect((await received()).map(({ inReplyTo }) => inReplyTo)).toEqual([sent[1]?.id, sent[0]?.id, null]);
    });

    it('remembers which sender a person knows', async () => {
      const [first] = await queueMessages(database, 1, () => ({ from: number, to: '+14155550197' }));
      await database.dataSource.query('update messages set attempt = 1 where id = $1', [first?.id]);
      await take(
        text('hi', { to: '+14155550101' }),
        text('hi', { to: '+14155550102' }),
        text('hi', { to: '+14155550103', from: '+14155550198' }),
      );
      // One that comes late does not undo a newer one.
      await take(text('hi', { to: '+14155550104', receivedAt: '2026-01-01T00:00:00.000Z' }));
      const people = [person, '+14155550198', '+14155550197', '+14155550196'];
      const known = await database.transact((tx) =>
        knownSenders(
          tx,
          people.map((address) => ({ tenant: 'demo', address })),
        ),
      );
      expect(new Map(known)).toEqual(
        new Map([
          [`demo ${person}`, '+14155550102'],
          ['demo +14155550198', '+14155550103'],
          ['demo +14155550197', number],
        ]),
      );
    });

    it('lists what came in, newest first, page by page', async () => {
      const at = (second: number) => ({ receivedAt: `2026-11-24T18:00:0${second}.000Z` });
      await take(text('1', at(1)), text('2', at(2)), text('3', at(3)), text('other', { from: '+14155550198' }));
      const list = (after?: string) =>
        listInbound(database.dataSource, 'demo', {
          from: ` ${person.slice(1)}`,
          after: after === undefined ? undefined : cursorParameter.parse(after),
          limit: 2,
        });
      const first = await list();
      const second = await list(first.nextCursor ?? '');
      expect(first.messages.map(({ body }) => body)).toEqual(['3', '2']);
      expect(second).toMatchObject({ messages: [{ body: '1', from: person, optOutType: null }], nextCursor: null });
    });
  });

  it('publishes the changes of a person in their order, under one key', async () => {
    const kafkaForTests = testKafka();
    const kafka = createKafka({ brokers: kafkaForTests.brokers, clientId: 'inbound-spec' }, logger);
    await ensureTopics(kafka, [topics.suppressionEvents, topics.messagingEvents]);
    const tenant = `t-${randomBytes(4).toString('hex')}`;
    const consumer = kafka.consumer({ groupId: kafkaForTests.group('suppressions') });
    const seen: { key: string; data: SuppressionChanged }[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: topics.suppressionEvents.name, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const key = String(message.key);
        if (key.startsWith(`${tenant}:`))
          seen.push({ key, data: JSON.parse(String(message.value)) as SuppressionChanged });
      },
    });
    const relay = new OutboxRelay({ dataSource: database.dataSource, kafka, name: 'inbound-spec', logger });
    relay.start();
    try {
      const people = [person, '+14155550198', '+14155550197'];
      for (let round = 0; round < 5; round++) {
        for (const word of ['STOP', 'START']) {
          await take(...people.map((from) => text(word, { from, tenant })));
          relay.nudge();
        }
      }
      await eventually(() => expect(seen).toHaveLength(30));
      for (const recipient of people) {
        const own = seen.filter(({ data }) => data.recipient === recipient);
        expect(new Set(own.map(({ key }) => key))).toEqual(new Set([`${tenant}:sms:${number}:${recipient}`]));
        expect(own.map(({ data }) => data.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      }
    } finally {
      await Promise.all([relay.stop(), consumer.disconnect()]);
    }
  });
});
