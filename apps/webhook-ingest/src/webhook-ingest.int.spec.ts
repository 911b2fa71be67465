import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudEvent, topics } from '@signalbox/contracts';
import { createKafka, ensureTopics } from '@signalbox/kafka';
import { type RunningService, startService } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import { eventually, testKafka } from '@signalbox/testing';
import { parseForm, sign } from '@signalbox/twilio';
import type { Consumer } from 'kafkajs';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { webhookIngest } from './service.ts';

interface Stored {
  topic: string;
  key: string;
  headers: Record<string, string>;
  data: CloudEvent<Record<string, unknown>>['data'];
}

const hex = () => randomBytes(16).toString('hex');
const accountSid = `AC${hex()}`;
const publicBaseUrl = 'https://hooks.example.com/signalbox';
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const messageId = '0199b1c2-6b1e-7c3a-9d57-2f1f5a4e8c10';

let folder: string;
let service: RunningService;
let consumer: Consumer;
const stored: Stored[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  const tenantsFile = join(folder, 'tenants.yaml');
  await writeFile(
    tenantsFile,
    `version: 1
tenants:
  - name: demo
    twilio: { accountSid: ${accountSid}, apiKey: { sid: SK${hex()}, secret: env:SECRET }, authTokens: [env:NEXT, env:CURRENT] }
`,
  );
  const kafkaForTests = testKafka();
  const { brokers } = kafkaForTests;
  const kafka = createKafka({ brokers, clientId: 'ingest-spec' }, createLogger('ingest-spec', { level: 'silent' }));
  await ensureTopics(kafka, [topics.twilioMessageCallbacks, topics.twilioInboundCallbacks]);

  consumer = kafka.consumer({ groupId: kafkaForTests.group('ingest') });
  await consumer.connect();
  await consumer.subscribe({
    topics: [topics.twilioMessageCallbacks.name, topics.twilioInboundCallbacks.name],
    // From the latest would begin wherever the first fetch finds the end, maybe after the first callback.
    fromBeginning: true,
  });
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
  await consumer.run({
    eachMessage: async ({ topic, message }) => {
      const headers = Object.fromEntries(
        Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
      );
      const data = JSON.parse(String(message.value)) as Stored['data'];
      // Other specs may publish to these topics as well.
      if (data['accountSid'] === accountSid) stored.push({ topic, key: String(message.key), headers, data });
    },
  });
  await joined;

  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    PUBLIC_BASE_URL: publicBaseUrl,
    TENANTS_FILE: tenantsFile,
    KAFKA_BROKERS: brokers.join(','),
    SECRET: 'api-secret',
    NEXT: 'next-token',
    CURRENT: 'current-token',
  };
  service = await startService(webhookIngest(env), env);
});

afterAll(async () => {
  await service?.stop();
  await consumer?.disconnect();
  if (folder) await rm(folder, { recursive: true });
});

interface Callback {
  path?: string;
  body: string;
  authToken?: string;
  headers?: Record<string, string>;
}

/** Signed as Twilio would, over the public URL, and sent as a proxy would that strips the base path. */
function send({
  path = '/twilio/sms/status',
  body,
  authToken = 'current-token',
  headers = {},
}: Callback): Promise<Response> {
  const form = parseForm(body);
  const params = form.ok ? form.params : {};
  return fetch(service.url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      'x-twilio-signature': sign({ url: publicBaseUrl + path, params, authToken }),
      ...headers,
    },
    body,
  });
}

const status = (sid: string, word = 'delivered') =>
  `RawDlrDoneDate=2611241801&SmsSid=${sid}&SmsStatus=${word}&MessageStatus=${word}&To=%2B14155550199&MessageSid=${sid}&AccountSid=${accountSid}&From=%2B14155550100&ApiVersion=2010-04-01`;

const of = (sid: string) => stored.filter(({ data }) => data['resourceSid'] === sid);

async function published(sid: string, count = 1): Promise<Stored[]> {
  return eventually(() => {
    expect(of(sid)).toHaveLength(count);
    return of(sid);
  });
}

describe('a signed callback', () => {
  it('is answered 204 and is in its topic, under our message id, with the trace of the send', async () => {
    const sid = `SM${hex()}`;
    const path = `/twilio/sms/status?messageId=${messageId}&traceparent=${traceparent}`;
    const answer = await send({ path, body: status(sid) });
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    const [record] = await published(sid);
    expect(record).toMatchObject({
      topic: 'callbacks.twilio.message.v1',
      key: messageId,
      headers: {
        ce_id: `${accountSid}/${sid}/delivered//`,
        ce_type: 'twilio.message.status.v1',
        ce_source: '//signalbox/webhook-ingest',
        ce_subject: sid,
        traceparent: expect.stringContaining(traceparent.slice(0, 36)),
      },
      data: {
        tenant: 'demo',
        status: 'delivered',
        correlationId: messageId,
        providerTime: null,
        errorCode: null,
        params: { RawDlrDoneDate: '2611241801', To: '+14155550199', MessageStatus: 'delivered' },
      },
    });
  });

  it('of a person writing in is answered with empty TwiML', async () => {
    const sid = `SM${hex()}`;
    const body = `MessageSid=${sid}&SmsStatus=received&AccountSid=${accountSid}&From=%2B14155550199&To=%2B14155550100&Body=Hi+there&NumMedia=1&MediaUrl0=https%3A%2F%2Fmedia.example.com%2Fa`;
    const answer = await send({ path: '/twilio/sms/inbound', body });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/xml; charset=utf-8');
    expect(await answer.text()).toContain('<Response/>');
    expect(await published(sid)).toMatchObject([
      {
        topic: 'callbacks.twilio.inbound.v1',
        key: '+14155550199',
        data: {
          from: '+14155550199',
          to: '+14155550100',
          body: 'Hi there',
          params: { MediaUrl0: 'https://media.example.com/a' },
        },
      },
    ]);
  });

  it('that is repeated has the same ce_id', async () => {
    const sid = `SM${hex()}`;
    await send({ body: status(sid) });
    await send({ body: status(sid), headers: { 'i-twilio-idempotency-token': hex() } });
    const [first, second] = await published(sid, 2);
    expect(second?.headers['ce_id']).toBe(first?.headers['ce_id']);
    expect(first?.key).toBe(sid);
  });

  it('is taken with either token of a rotation, and counted by which', async () => {
    const counted = async () =>
      Object.fromEntries(
        (await (await fetch(`${service.url}/metrics`)).text())
          .split('\n')
          .flatMap(
            (line) => /^signalbox_callback_token_index_total\{.*index="(\d)".*\} (\d+)/.exec(line)?.slice(1) ?? [],
          )
          .reduce<[string, number][]>(
            (pairs, value, i, all) => (i % 2 ? pairs : [...pairs, [value, Number(all[i + 1])]]),
            [],
          ),
      );
    const before = await counted();
    for (const authToken of ['next-token', 'current-token', 'current-token'])
      expect((await send({ body: status(`SM${hex()}`), authToken })).status).toBe(204);
    const after = await counted();
    expect([(after['0'] ?? 0) - (before['0'] ?? 0), (after['1'] ?? 0) - (before['1'] ?? 0)]).toEqual([1, 2]);
  });

  it('is routed and checked as well when the proxy keeps the base path', async () => {
    const body = status(`SM${hex()}`);
    const form = parseForm(body);
    const signature = sign({
      url: `${publicBaseUrl}/twilio/sms/status`,
      params: form.ok ? form.params : {},
      authToken: 'current-token',
    });
    const answer = await fetch(`${service.url}/signalbox/twilio/sms/status`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
      body,
    });
    expect(answer.status).toBe(204);
  });
});

describe('what is not proven', () => {
  const refused = async (callback: Callback): Promise<[number, unknown]> => {
    const answer = await send(callback);
    return [answer.status, await answer.json()];
  };

  it('is answered 403, always the same, and leaves no record', async () => {
    const sid = `SM${hex()}`;
    const answers = [
      await refused({ body: status(sid), authToken: 'guessed' }),
      await refused({ body: status(sid), headers: { 'x-twilio-signature': '' } }),
      await refused({ body: status(sid), headers: { 'x-twilio-signature': 'rubbish' } }),
      await refused({ body: status(sid).replace(accountSid, `AC${hex()}`) }),
      await refused({ body: status(sid).replace(/&AccountSid=\w+/, '') }),
      await refused({ body: `${status(sid)}&AccountSid=${accountSid}` }),
      await refused({ body: '' }),
    ];
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject([403, { status: 403 }]);
    // The key decides the partition and the partition the order: once the good one is read, a forged one would have been.
    await send({ body: status(sid, 'read') });
    expect(await published(sid)).toMatchObject([{ data: { status: 'read' } }]);
  });
});

describe('what a client can send', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const signature = { 'x-twilio-signature': Buffer.alloc(20).toString('base64') };

  it.each<[string, number, string, RequestInit]>([
    ['a malformed escape', 400, '/twilio/sms/status', { headers: { ...form, ...signature }, body: 'a=%zz' }],
    ['not UTF-8', 400, '/twilio/sms/status', { headers: { ...form, ...signature }, body: 'a=%ff' }],
    [
      'raw bytes that are not UTF-8',
      403,
      '/twilio/sms/status',
      { headers: { ...form, ...signature }, body: Buffer.from([0xff, 0xfe, 0x00]) },
    ],
    ['NUL bytes', 403, '/twilio/sms/status', { headers: { ...form, ...signature }, body: 'AccountSid=\0&\0=\0' }],
    [
      '10,000 parameters',
      400,
      '/twilio/sms/status',
      { headers: { ...form, ...signature }, body: 'a=1&'.repeat(10_000) },
    ],
    [
      'a body of a megabyte',
      413,
      '/twilio/sms/status',
      { headers: { ...form, ...signature }, body: 'a'.repeat(1_000_000) },
    ],
    [
      'a long signature',
      403,
      '/twilio/sms/status',
      { headers: { ...form, 'x-twilio-signature': 'A'.repeat(8000) }, body: status('SM1') },
    ],
    ['no body', 403, '/twilio/sms/status', { headers: form }],
    ['JSON', 415, '/twilio/sms/status', { headers: { 'content-type': 'application/json', ...signature }, body: '{}' }],
    ['XML', 415, '/twilio/sms/inbound', { headers: { 'content-type': 'text/xml' }, body: '<a/>' }],
    [
      'multipart',
      415,
      '/twilio/sms/inbound',
      { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' },
    ],
    ['a content type that is none', 415, '/twilio/sms/status', { headers: { 'content-type': ';;;' }, body: 'a=1' }],
    [
      'prototype names',
      403,
      '/twilio/sms/status',
      { headers: { ...form, ...signature }, body: '__proto__=1&constructor=2&AccountSid=toString' },
    ],
    [
      'a malformed query',
      403,
      '/twilio/sms/status?messageId=%zz&%',
      { headers: { ...form, ...signature }, body: 'AccountSid=AC1' },
    ],
    ['a malformed path', 400, '/twilio/sms/%zz', { headers: form, body: 'a=1' }],
    ['an unknown route', 404, '/twilio/sms/other', { headers: form, body: 'a=1' }],
  ])('%s is answered %i', async (_label, expected, path, init) => {
    const answer = await fetch(service.url + path, { method: 'POST', ...init });
    expect(answer.status).toBe(expected);
    await answer.arrayBuffer();
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s is no way to call back', async (method) => {
    expect((await fetch(`${service.url}/twilio/sms/status`, { method })).status).toBe(404);
  });

  it.each([
    ['authentic but without a status', `MessageSid=SM1&AccountSid=${'ACCOUNT'}`, '/twilio/sms/status'],
    ['authentic but without a sender', `MessageSid=SM1&To=1&AccountSid=${'ACCOUNT'}`, '/twilio/sms/inbound'],
  ])('%s is answered 400', async (_label, body, path) => {
    expect((await send({ path, body: body.replace('ACCOUNT', accountSid) })).status).toBe(400);
  });

  it('a chunked body is read like any other', async () => {
    const sid = `SM${hex()}`;
    const body = status(sid);
    const parsed = parseForm(body);
    const signed = sign({
      url: `${publicBaseUrl}/twilio/sms/status`,
      params: parsed.ok ? parsed.params : {},
      authToken: 'current-token',
    });
    const chunks = [body.slice(0, 7), body.slice(7)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    const reply = await raw(
      `POST /twilio/sms/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Twilio-Signature: ${signed}\r\n` +
        `Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`,
    );
    expect(reply).toMatch(/^HTTP\/1\.1 204 /);
  });

  it.each([
    ['no HTTP', 'rubbish\r\n\r\n', 400],
    ['a NUL in the path', 'POST /twilio/\0 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    [
      'an escaped NUL in the path',
      'POST /twilio/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      400,
    ],
    [
      'two lengths',
      'POST /twilio/sms/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na',
      400,
    ],
    ['headers without end', `POST / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
    [
      'an absolute target',
      'POST http://x/twilio/sms/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      4,
    ],
  ])('%s', async (_label, request, expected) => {
    expect(await raw(request)).toMatch(new RegExp(`^HTTP/1\\.1 ${expected}`));
  });
});

/** Sends bytes as they are and reads until the server closes. */
function raw(request: string): Promise<string> {
  const { port } = new URL(service.url);
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => (reply += String(chunk)));
    socket.on('end', () => resolve(reply));
    socket.on('error', (error) => (reply ? resolve(reply) : reject(error)));
  });
}
