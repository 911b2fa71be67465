import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import type { Consumer } from 'kafkajs';
import pg from 'pg';
import { BrokenWire } from '../../test/broken-wire.ts';
import { startTwimlService, type TwimlService } from '../../test/twiml-service.ts';

const long = 'x'.repeat(200);
const flow = {
  format: 1,
  language: 'de-DE',
  start: 'menu',
  transferTo: '+14155550112',
  variables: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`v${i}`, ''])),
  nodes: {
    menu: { type: 'menu', prompt: 'Eins', choices: { '1': 'text', '2': 'much' }, noInput: 'bye', noMatch: 'bye' },
    text: { type: 'send-sms', body: 'Hallo', next: 'second' },
    second: { type: 'menu', prompt: 'Zwei', choices: { '1': 'third' }, noInput: 'bye', noMatch: 'bye' },
    third: { type: 'menu', prompt: 'Drei', choices: { '1': 'bye' }, noInput: 'bye', noMatch: 'bye' },
    much: {
      type: 'set',
      values: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`v${i}`, long])),
      next: 'third',
    },
    bye: { type: 'hangup', prompt: 'Ende {{v1}}' },
  },
};

describe('while the database is away', () => {
  let wire: BrokenWire;
  let service: TwimlService;
  let database: pg.Client;
  let consumer: Consumer;
  const texts: { idempotencyKey: string; metadata?: { callSid: string } }[] = [];

  beforeAll(async () => {
    const names = testKafka();
    const kafka = createKafka({ brokers: names.brokers, clientId: 'spec' }, createLogger('spec', { level: 'silent' }));
    await ensureTopics(kafka, [topics.voiceEvents, topics.messagingCommands]);
    consumer = kafka.consumer({ groupId: names.group('outage-spec') });
    await consumer.connect();
    await consumer.subscribe({ topics: [topics.messagingCommands.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => void texts.push(JSON.parse(String(message.value)) as (typeof texts)[number]),
    });
    wire = await BrokenWire.to(process.env['DATABASE_URL'] ?? '');
    service = await startTwimlService({
      voice: { defaultFlow: 'menu' },
      databaseUrl: (url) => wire.through(url),
      env: { STEP_PATIENCE_MS: '300' },
    });
    await service.putFlow('menu', flow);
    database = new pg.Client({ connectionString: service.database.url });
    await database.connect();
  }, 60_000);

  afterEach(() => wire.mend());
  afterAll(async () => {
    wire?.mend();
    await consumer?.disconnect();
    await database?.end();
    await service?.stop();
    await wire?.close();
  });

  const stepsAreStored = () =>
    eventually(async () => {
      const probe = service.caller();
      await probe.go('/twilio/voice/inbound');
      expect((await database.query('select from flow_sessions where call_sid = $1', [probe.callSid])).rowCount).toBe(1);
    });

  const textsOf = (callSid: string) => texts.filter(({ metadata }) => metadata?.callSid === callSid);

  it.each(['cut', 'silence'] as const)('calls begin and go on, and texts are sent once: %s', async (how) => {
    const begun = service.caller();
    await begun.go('/twilio/voice/inbound');
    wire[how]();
    const fresh = service.caller();
    await fresh.go('/twilio/voice/inbound');
    for (const caller of [begun, fresh]) {
      expect(caller.heard).toBe('Eins');
      const target = caller.next;
      const answers = await Promise.all([1, 2, 3].map(() => caller.post(target, { Digits: '1' })));
      // Without the database nobody knows that they are one; they are the same all the same.
      expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
      caller.follow(answers[0]?.body ?? '');
      expect(caller.heard).toBe('Zwei');
      await eventually(() =>
        expect(new Set(textsOf(caller.callSid).map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1),
      );
    }
    wire.mend();
    await stepsAreStored();
    for (const caller of [begun, fresh]) {
      await caller.answer({ Digits: '1' });
      expect(caller.heard).toBe('Drei');
      const { rows } = await database.query('select step from flow_sessions where call_sid = $1', [caller.callSid]);
      expect(rows).toEqual([{ step: 3 }]);
    }
  });

  it('who cannot be led on hears an apology in their language, and is put through', async () => {
    await stepsAreStored();
    const caller = service.caller();
    await caller.go('/twilio/voice/inbound');
    await caller.answer({ Digits: '2' });
    expect(caller.heard).toBe('Drei');
    // What this caller has in variables is too much for a URL.
    wire.cut();
    const { next } = caller;
    const answer = await caller.go(next, { Digits: '1' });
    expect([answer.status, caller.elements]).toEqual([200, ['Response', 'Say', 'Dial']]);
    expect(answer.body).toContain('<Say language="de-DE">Leider ist ein technischer Fehler');
    expect(answer.body).toContain('<Dial>+14155550112</Dial>');
    wire.mend();
    await eventually(async () => {
      await caller.go(next, { Digits: '1' });
      expect(caller.heard).toBe(`Ende ${long}`);
    });
  });
});
