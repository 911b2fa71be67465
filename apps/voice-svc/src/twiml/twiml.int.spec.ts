import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type FlowProgressed, topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import type { Consumer } from 'kafkajs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startTwimlService, type TwimlService } from '../../test/twiml-service.ts';

interface MessageRequest {
  readonly to: string;
  readonly body: string;
  readonly idempotencyKey: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

const support = readFileSync(join(import.meta.dirname, '../../../../config/flows/demo/support.yaml'), 'utf8');

describe('calls, on a real Postgres', () => {
  let service: TwimlService;
  let database: pg.Client;
  let consumer: Consumer;
  const names = testKafka();
  const kafka = createKafka(
    { brokers: names.brokers, clientId: 'twiml-spec' },
    createLogger('spec', { level: 'silent' }),
  );
  const events: FlowProgressed[] = [];
  const texts: MessageRequest[] = [];

  beforeAll(async () => {
    await ensureTopics(kafka, [topics.voiceEvents, topics.messagingCommands]);
    consumer = kafka.consumer({ groupId: names.group('twiml-spec') });
    await consumer.connect();
    await consumer.subscribe({ topics: [topics.voiceEvents.name, topics.messagingCommands.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        const data = JSON.parse(String(message.value)) as unknown;
        if (topic === topics.voiceEvents.name) events.push(data as FlowProgressed);
        else texts.push(data as MessageRequest);
      },
    });
    service = await startTwimlService({
      voice: { numbers: { '+14155550100': 'support' } },
      files: { 'demo/support.yaml': support },
    });
    database = new pg.Client({ connectionString: service.database.url });
    await database.connect();
  }, 60_000);

  afterAll(async () => {
    await consumer?.disconnect();
    await database?.end();
    await service?.stop();
  });

  const placesOf = async (callSid: string) =>
    (
      await database.query<{ step: number; node: string }>(
        `select flow, step, state ->> 'node' as node from flow_sessions where call_sid = $1`,
        [callSid],
      )
    ).rows;
  const told = (callSid: string) => events.filter((event) => JSON.stringify(event).includes(callSid));
  it('leads a caller through three menus into a queue, with a repeated and a late request at each step', async () => {
    const caller = service.caller();
    const seen: { target: string; params: Record<string, string>; document: string }[] = [];
    const go = async (target: string, params: Record<string, string>) => {
      // At once, as when the provider does not hear the first answer.
      const [answer, copy, third] = await Promise.all([
        caller.post(target, params),
        caller.post(target, params),
        caller.post(target, params),
      ]);
      expect([answer.status, answer.type]).toEqual([200, 'text/xml; charset=utf-8']);
      expect([copy.body, third.body]).toEqual([answer.body, answer.body]);
      caller.follow(answer.body);
      seen.push({ target, params, document: answer.body });
      for (const late of seen) expect((await caller.post(late.target, late.params)).body).toBe(late.document);
      // Another answer to what was answered already, too.
      expect((await caller.post(target, { Digits: '9' })).body).toBe(answer.body);
    };
    await go('/twilio/voice/inbound', {});
    expect(caller.heard).toMatch(/^Welcome to Acme\. For orders/);
    await go(caller.next, { Digits: '2' });
    expect(caller.heard).toMatch(/^For the kettle/);
    await go(caller.next, { Digits: '1' });
    expect(caller.heard).toMatch(/^May we record/);
    await go(caller.next, { Digits: '1' });
    expect(caller.elements).toEqual(['Response', 'Say', 'Enqueue']);

    expect(await placesOf(caller.callSid)).toEqual([{ flow: 'support', step: 4, node: 'queue' }]);
    const waiting = await service.api('/v1/queues/support');
    expect(waiting.body).toMatchObject({ size: 1, waiting: [{ callSid: caller.callSid, flow: 'support' }] });
    const wait = await caller.post(caller.wait, { QueuePosition: '2', QueueTime: '7' });
    expect(wait.body).toContain('You are number 2 in line.');
    expect((await caller.post(caller.wait, { QueueTime: '601' })).body).toContain('<Leave/>');

    await go(caller.next, { QueueResult: 'bridged', QueueTime: '9' });
    expect(caller.elements).toEqual(['Response', 'Say', 'Hangup']);
    expect((await service.api('/v1/queues/support')).body).toMatchObject({ size: 0 });
    await eventually(() =>
      expect(told(caller.callSid).map(({ kind, sequence }) => [sequence, kind])).toEqual([
        [1, 'started'],
        [2, 'consented'],
        [3, 'queued'],
        [4, 'dequeued'],
        [5, 'ended'],
      ]),
    );
  });

  it('sends a text once, however often the request comes', async () => {
    const caller = service.caller();
    await caller.go('/twilio/voice/inbound');
    await caller.answer({ Digits: '1' });
    await caller.answer({ Digits: '1' });
    const target = caller.next;
    const copies = await Promise.all(Array.from({ length: 5 }, () => caller.post(target, { Digits: '123456' })));
    expect(new Set(copies.map(({ body }) => body)).size).toBe(1);
    expect(copies[0]?.body).toContain('<say-as interpret-as="digits">123456</say-as>');
    await eventually(() =>
      expect(told(caller.callSid).map(({ kind }) => kind)).toEqual(['started', 'sms-sent', 'ended']),
    );
    await eventually(() =>
      expect(texts.filter(({ metadata }) => metadata?.['callSid'] === caller.callSid)).toEqual([
        expect.objectContaining({
          to: '+14155550199',
          body: expect.stringContaining('order 123456'),
          idempotencyKey: expect.stringContaining('order-text'),
        }),
      ]),
    );
  });

  it('keeps a call in the version it began with, and goes on after a restart', async () => {
    const definition = (word: string) => ({
      format: 1,
      start: 'menu',
      nodes: {
        menu: { type: 'menu', prompt: `Press 1 for ${word}`, choices: { '1': 'bye' }, noInput: 'bye', noMatch: 'bye' },
        bye: { type: 'hangup', prompt: `Bye from ${word}` },
      },
    });
    await service.putFlow('versions', definition('old'));
    const caller = service.caller();
    await caller.go('/twilio/voice/twiml/versions');
    await service.putFlow('versions', definition('new'));
    await service.restart();
    const old = service.caller();
    old.next = caller.next;
    const other = service.caller();
    await other.go('/twilio/voice/twiml/versions');
    expect(other.heard).toBe('Press 1 for new');
    Object.assign(old, { callSid: caller.callSid });
    await old.answer({ Digits: '1' });
    expect(old.heard).toBe('Bye from old');
  });

  it('repeats what was said last when the provider could not get what comes next', async () => {
    const caller = service.caller();
    await caller.go('/twilio/voice/inbound');
    await caller.answer({ Digits: '2' });
    const failed = caller.next;
    const error = { ErrorCode: '11200', ErrorUrl: failed.replace(/#.*/, '') };
    const fallback = await caller.go('/twilio/voice/inbound', error);
    expect(fallback.status).toBe(200);
    expect(caller.heard).toMatch(/^For the kettle/);
    await caller.answer({ Digits: '1' });
    expect(caller.heard).toMatch(/^May we record/);
    expect(await placesOf(caller.callSid)).toEqual([{ flow: 'support', step: 3, node: 'consent' }]);
  });

  it('goes on during a rotation of the auth token, and after it', async () => {
    const caller = service.caller();
    await caller.go('/twilio/voice/inbound');
    const { authToken } = await import('../../test/twiml-service.ts');
    try {
      await service.setAuthTokens('another-token', authToken);
      await caller.answer({ Digits: '2' });
      expect(caller.heard).toMatch(/^For the kettle/);
      // Sealed with a token that is gone: the row says where the call is.
      await service.setAuthTokens('third-token', authToken);
      await caller.answer({ Digits: '1' });
      expect(caller.heard).toMatch(/^May we record/);
    } finally {
      await service.setAuthTokens(authToken);
    }
  });

  it('leads a thousand callers at once, and none hears an apology', async () => {
    const callers = Array.from({ length: 1000 }, () => service.caller());
    await Promise.all(
      callers.map(async (caller) => {
        for (const params of [undefined, { Digits: '2' }, { Digits: '1' }, { Digits: '2' }]) {
          const answer = await (params ? caller.answer(params) : caller.go('/twilio/voice/inbound'));
          expect(answer.status).toBe(200);
          expect(answer.body).not.toContain('technical problem');
        }
        expect(caller.elements).toContain('Enqueue');
      }),
    );
    const { rows } = await database.query<{ calls: number }>(
      'select count(*)::integer as calls from flow_sessions where call_sid = any($1) and step = 4',
      [callers.map(({ callSid }) => callSid)],
    );
    expect(rows).toEqual([{ calls: 1000 }]);
  });
});
