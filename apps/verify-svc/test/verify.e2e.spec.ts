import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudEvent, toHeaders, topics, type VerificationStateChanged } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Answer, VerifyClient } from './system.ts';

const replicas = ['verify-svc', 'verify-svc-2'];

describe('verifications, on two replicas', () => {
  let system: TestSystem;
  let consumer: Consumer;
  let producer: Producer;
  const client = new VerifyClient(() => system.info, '415');
  const events = new Map<string, VerificationStateChanged[]>();
  /** Every code that was sent or tried. */
  const codes: string[] = [];

  beforeAll(async () => {
    system = await startSystem({
      only: ['verify-svc', 'webhook-ingest'],
      replicas: { 'verify-svc': 2 },
      env: { LOG_LEVEL: 'debug' },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    consumer = kafka.consumer({ groupId: 'e2e' });
    producer = kafka.producer();
    await Promise.all([consumer.connect(), producer.connect()]);
    await consumer.subscribe({ topics: [topics.verifyEvents.name], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const data = JSON.parse(String(message.value)) as VerificationStateChanged;
        events.set(data.verificationId, [...(events.get(data.verificationId) ?? []), data]);
      },
    });
  }, 120_000);

  afterEach(async () => {
    await client.control('faults', {});
    await client.control('verify', {});
  });

  afterAll(async () => {
    await Promise.all([consumer?.disconnect(), producer?.disconnect()]);
    await system?.stop();
  }, 60_000);

  const told = (id: string) => (events.get(id) ?? []).map(({ sequence, state }) => `${sequence} ${state}`);

  it('go from a start over a wrong code to the right one, and are told of in order', async () => {
    const to = client.number();
    const begun = await client.start(to, { metadata: { order: '42' } });
    expect(begun).toMatchObject({
      status: 201,
      body: { state: 'pending', channel: 'sms', repeated: false, error: null },
    });
    const { verificationId: id } = begun.body;
    const wrong = await client.wrongCodeFor(to);
    codes.push(wrong, await client.codeFor(to));
    expect(await client.check(id, wrong)).toMatchObject({
      status: 200,
      body: { approved: false, state: 'pending', checksLeft: 4 },
    });
    expect(await client.check(id, await client.codeFor(to), replicas[1])).toMatchObject({
      status: 200,
      body: { approved: true, state: 'approved' },
    });
    // A code is right once.
    expect(await client.check(id, await client.codeFor(to))).toMatchObject({
      status: 404,
      body: { state: 'approved' },
    });
    await eventually(() => expect(told(id)).toEqual(['1 accepted', '2 pending', '3 approved']));
    expect(events.get(id)?.at(-1)).toMatchObject({
      to,
      channel: 'sms',
      metadata: { order: '42' },
      providerSid: expect.stringMatching(/^VE/),
    });
    const story = await client.story(id);
    expect(story.history.filter(({ kind }) => kind === 'check').map(({ detail }) => detail['result'])).toEqual([
      'wrong',
      'approved',
    ]);
  });

  it('send one code for a hundred starts at once for one number, and answer 429 to the others', async () => {
    const to = client.number();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => client.start(to, {}, replicas[index % 2])),
    );
    const limited = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(limited).toHaveLength(99);
    for (const { body, headers } of limited) {
      expect(body).toMatchObject({ limit: 'recipient', status: 429 });
      expect(Number(body['retryAfter'])).toBeGreaterThan(50);
      expect(headers.get('retry-after')).toBe(String(body['retryAfter']));
      expect(headers.get('content-type')).toBe('application/problem+json');
    }
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
  });

  it('send one code for a hundred starts at once under one key', async () => {
    const to = client.number();
    const idempotencyKey = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => client.start(to, { idempotencyKey }, replicas[index % 2])),
    );
    expect(new Set(answers.map(({ body }) => body.verificationId)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(99);
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
    expect(await client.start(to, { idempotencyKey, purpose: 'another' })).toMatchObject({ status: 422 });
  });

  it('let five of a hundred wrong codes at once through, and deny the verification', async () => {
    const to = client.number();
    const { verificationId: id } = (await client.start(to)).body;
    const [right, wrong] = [await client.codeFor(to), await client.wrongCodeFor(to)];
    codes.push(right, wrong);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => client.check(id, wrong, replicas[index % 2])),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    const limited = answers.filter(({ status }) => status === 429);
    expect(limited).toHaveLength(95);
    expect(limited.every(({ body }) => Number(body['retryAfter']) > 0)).toBe(true);
    expect(await client.atProvider(to)).toMatchObject([{ checks: 5 }]);
    await eventually(() => expect(told(id)).toEqual(['1 accepted', '2 pending', '3 denied']));
    // Neither the right code nor a new start helps while the one at Twilio is over.
    expect(await client.check(id, right)).toMatchObject({ status: 429, body: { state: 'denied' } });
    expect(await client.atProvider(to)).toMatchObject([{ checks: 5 }]);
    expect(await client.start(to)).toMatchObject({ status: 429, body: { limit: 'checks' } });
  });

  it('approve once when the right code comes ten times at once', async () => {
    const to = client.number();
    const { verificationId: id } = (await client.start(to)).body;
    const right = await client.codeFor(to);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => client.check(id, right, replicas[index % 2])),
    );
    expect(answers.filter(({ body }) => body['approved'] === true)).toHaveLength(1);
    await eventually(() => expect(told(id)).toEqual(['1 accepted', '2 pending', '3 approved']));
  });

  it.each([
    ['60200', { code: 60200 }],
    ['60203', { code: 60203, status: 429 }],
    ['60205', { code: 60205, status: 403 }],
    ['60212', { code: 60212, status: 429 }],
    ['60223', { code: 60223 }],
    ['60410', { code: 60410, status: 403 }],
    ['60605', { code: 60605, status: 403 }],
  ])('go on to a call when SMS is refused with %s', async (_code, error) => {
    const to = client.number();
    await client.control('faults', { errors: [{ prefix: to, channels: ['sms'], ...error }] });
    const begun = await client.start(to, { channel: 'auto' });
    expect(begun).toMatchObject({ status: 201, body: { state: 'pending', channel: 'call' } });
    expect((await client.story(begun.body.verificationId)).attempts).toMatchObject([
      { channel: 'sms', why: 'asked', state: 'refused', error: { code: error.code } },
      { channel: 'call', why: 'refused', state: 'accepted' },
    ]);
    expect(await client.check(begun.body.verificationId, await client.codeFor(to))).toMatchObject({
      body: { approved: true },
    });
  });

  it('go on to email when neither SMS nor a call is possible, and take the code of either', async () => {
    const [to, email] = [client.number(), `a${client.number().slice(1)}@example.com`];
    await client.control('faults', { errors: [{ prefix: to, channels: ['call'], code: 60223 }] });
    const { verificationId: id } = (await client.start(to, { channel: 'auto', email })).body;
    const resent = await client.api(`/v1/verifications/${id}/resend`, { channel: 'email' });
    expect(resent).toMatchObject({ status: 429, body: { limit: 'recipient' } });
    const other = client.number();
    await client.control('faults', {
      errors: [{ prefix: other, code: 60205, status: 403 }],
    });
    const begun = await client.start(other, { channel: 'auto', email });
    expect(begun).toMatchObject({ body: { state: 'pending', channel: 'email' } });
    expect((await client.story(begun.body.verificationId)).attempts.map(({ channel }) => channel)).toEqual([
      'sms',
      'call',
      'email',
    ]);
    expect(await client.check(begun.body.verificationId, await client.codeFor(email))).toMatchObject({
      body: { approved: true },
    });
  });

  it('fail when no channel works, and say why', async () => {
    const to = client.number();
    await client.control('faults', { errors: [{ prefix: to, code: 60223 }] });
    const begun = await client.start(to, { channel: 'auto' });
    expect(begun).toMatchObject({
      status: 201,
      body: { state: 'failed', error: { code: 60223, class: 'configuration' } },
    });
    await eventually(() => expect(told(begun.body.verificationId)).toEqual(['1 accepted', '2 failed']));
  });

  it('are sent as soon as may be when Twilio wants a slower pace on every channel', async () => {
    const to = client.number();
    await client.control('faults', { rates: { '429': 1 } });
    const begun = await client.start(to, { channel: 'auto' });
    expect(begun).toMatchObject({ status: 201, body: { state: 'accepted' } });
    await client.control('faults', {});
    await eventually(() => expect(told(begun.body.verificationId)).toEqual(['1 accepted', '2 pending']));
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
  });

  it('go on to a call when the SMS is not delivered', async () => {
    const to = client.number();
    await client.control('faults', { errors: [{ prefix: to, channels: ['sms'], code: 30003 }] });
    const { verificationId: id } = (await client.start(to, { channel: 'auto' })).body;
    await eventually(
      async () =>
        expect((await client.story(id)).attempts).toMatchObject([
          { channel: 'sms', state: 'accepted', delivery: 'undelivered' },
          { channel: 'call', why: 'undelivered', state: 'accepted' },
        ]),
      { timeout: 30_000 },
    );
    expect(await client.atProvider(to)).toMatchObject([{ sends: 2 }]);
    expect(await client.check(id, await client.codeFor(to))).toMatchObject({ body: { approved: true } });
  });

  it('look the same to the caller when Twilio blocks the number for fraud, and approve nothing', async () => {
    const to = client.number();
    await client.control('faults', { errors: [{ prefix: to, code: 60410, status: 403 }] });
    const blocked = await client.start(to, { channel: 'auto' });
    const normal = await client.start(client.number(), { channel: 'auto' });
    expect(blocked.status).toBe(normal.status);
    expect(Object.keys(blocked.body)).toEqual(Object.keys(normal.body));
    expect(blocked.body).toMatchObject({ state: 'pending', error: null });
    expect(await client.check(blocked.body.verificationId, '123456')).toMatchObject({
      status: 200,
      body: { approved: false, checksLeft: 4 },
    });
    expect((await client.story(blocked.body.verificationId)).refused).toBe('provider_60410');
  });

  it('look the same to the caller when the guard holds them back: answer, limits, checks and end', async () => {
    const [blocked, other] = [client.number(), client.number()];
    await client.api(`/v1/verify/blocks/${encodeURIComponent(blocked)}`, { note: 'spec' }, 'verify-svc', 'PUT');
    const answers = { blocked: await client.start(blocked), other: await client.start(other) };
    const shapeOf = ({ status, body: { verificationId: _id, idempotencyKey: _key, ...rest } }: Answer) => ({
      status,
      ...rest,
      expiresAt: typeof rest['expiresAt'],
      nextSendAt: typeof rest['nextSendAt'],
    });
    expect(shapeOf(answers.blocked)).toEqual(shapeOf(answers.other));
    expect(await client.atProvider(blocked)).toEqual([]);
    expect(await client.start(blocked)).toMatchObject({ status: 429, body: { limit: 'recipient' } });
    const { verificationId: id } = answers.blocked.body;
    const checks = [];
    for (let made = 0; made < 6; made++) checks.push(await client.check(id, '123456'));
    expect(checks.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(checks[4]?.body).toMatchObject({ approved: false, state: 'denied', checksLeft: 0 });
    expect((await client.story(id)).refused).toBe('prefix_blocked');
    await eventually(() => expect(told(id)).toEqual(['1 accepted', '2 pending', '3 denied']));
  });

  it('expire with their code, and are then not found to be checked', async () => {
    const to = client.number();
    const { verificationId: id } = (await client.start(to)).body;
    const [at] = await client.atProvider(to);
    await client.control(`verifications/${at?.sid}/expire`, {});
    expect(await client.check(id, at?.code ?? '')).toMatchObject({ status: 404, body: { state: 'expired' } });
    await eventually(() => expect(told(id)).toEqual(['1 accepted', '2 pending', '3 expired']));
    expect(await client.check(id, at?.code ?? '')).toMatchObject({ status: 404 });
  });

  it('end by a cancel, at Twilio as well', async () => {
    const to = client.number();
    const { verificationId: id } = (await client.start(to)).body;
    expect(await client.api(`/v1/verifications/${id}/cancel`, {})).toMatchObject({
      status: 200,
      body: { state: 'canceled' },
    });
    await eventually(async () => expect(await client.atProvider(to)).toMatchObject([{ status: 'canceled' }]));
    expect(await client.check(id, await client.codeFor(to))).toMatchObject({
      status: 404,
      body: { state: 'canceled' },
    });
  });

  it("compare codes of the caller's own, and tell Twilio of the right one", async () => {
    const to = client.number();
    const { verificationId: id } = (await client.start(to, { code: '482913' })).body;
    codes.push('482913', '482914');
    expect(await client.codeFor(to)).toBe('482913');
    expect(await client.check(id, '482914')).toMatchObject({ body: { approved: false } });
    expect(await client.check(id, '482913')).toMatchObject({ body: { approved: true } });
    await eventually(async () =>
      expect(await client.atProvider(to)).toMatchObject([{ status: 'approved', checks: 0 }]),
    );
  });

  it('send the same code of our own on every channel, where the service takes it', async () => {
    const to = client.number();
    const email = `b${to.slice(1)}@example.com`;
    await client.control('faults', { errors: [{ prefix: to, code: 60205, status: 403 }] });
    const { verificationId: id } = (await client.start(to, { channel: 'auto', email, ownCode: true })).body;
    const code = await client.codeFor(email);
    codes.push(code);
    expect(code).toMatch(/^\d{6}$/);
    expect(await client.check(id, code)).toMatchObject({ body: { approved: true } });
  });

  it('start in the background from a command', async () => {
    const to = client.number();
    const idempotencyKey = crypto.randomUUID();
    const data = { tenant: 'demo', idempotencyKey, to, channel: 'sms' };
    const event: CloudEvent = {
      id: idempotencyKey,
      source: '//e2e',
      type: 'verify.start.v1',
      time: new Date().toISOString(),
      data,
    };
    const message = { key: `demo:${to}`, value: JSON.stringify(data), headers: toHeaders(event) };
    await producer.send({ topic: topics.verifyCommands.name, messages: [message, message] });
    const id = await eventually(
      () => {
        const [own] = [...events.values()].find(([first]) => first?.idempotencyKey === idempotencyKey) ?? [];
        expect(told(own?.verificationId ?? '')).toEqual(['1 accepted', '2 pending']);
        return own?.verificationId ?? '';
      },
      { timeout: 30_000 },
    );
    expect(await client.atProvider(to)).toMatchObject([{ sends: 1 }]);
    expect(await client.check(id, await client.codeFor(to))).toMatchObject({ body: { approved: true } });
  });

  it('leave no code in any log', async () => {
    expect(codes.length).toBeGreaterThan(5);
    const names = (await readdir(system.logs)).filter((name) => name.startsWith('verify-svc'));
    const logs = await Promise.all(names.map((name) => readFile(path.join(system.logs, name), 'utf8')));
    for (const code of codes) for (const log of logs) expect(log).not.toMatch(new RegExp(`(?<![\\d.])${code}(?!\\d)`));
  });
});
