import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import type { FastifyInstance } from 'fastify';
import type { Twilio } from 'twilio';
import { type Exchange, faultsOf } from '../../test/openapi/twilio-description.ts';
import { emptyService, type RunningSimulator, runSimulator, service } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;
let client: Twilio;
const exchanges: Exchange[] = [];

function record(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (!request.url.startsWith('/_sim')) {
      exchanges.push({
        method: request.method,
        path: request.url.split('?')[0] as string,
        query: { ...(request.query as object) },
        form: request.body as Record<string, unknown> | undefined,
        status: reply.statusCode,
        body: typeof payload === 'string' ? payload : '',
      });
    }
    done(null, payload);
  });
}

beforeAll(async () => {
  simulator = await runSimulator({ observe: record });
  client = simulator.client();
});
afterAll(() => simulator.stop());
beforeEach(async () => {
  await simulator.reset();
  exchanges.length = 0;
});

/** Every request the SDK made and every answer it got must fit Twilio's own description. */
const expectToFitDescription = () => {
  expect(exchanges).not.toHaveLength(0);
  expect(exchanges.flatMap(faultsOf)).toEqual([]);
};

const from = '+14155550100';
const to = '+14155550199';
const send = (more: object = {}) => client.messages.create({ to, from, body: 'hello', ...more });
const final = (sid: string) =>
  eventually(async () => {
    const message = await client.messages(sid).fetch();
    expect(message.status).toMatch(/delivered|failed/);
    return message;
  });

describe('create', () => {
  it('from a number: queued, with its segments, 201', async () => {
    const message = await send({ body: 'a'.repeat(161) });
    expect(message).toMatchObject({ status: 'queued', from, to, numSegments: '2', numMedia: '0', price: null });
    expect(message.sid).toMatch(/^SM[0-9a-f]{32}$/);
    expect(exchanges[0]?.body).toContain(`"date_sent":null`);
    expect(Math.abs(message.dateCreated.getTime() - Date.now())).toBeLessThan(60_000);
    expect(exchanges[0]?.status).toBe(201);
    expectToFitDescription();
  });

  it('through a service: accepted without sender and segments, which come when it is queued', async () => {
    const message = await client.messages.create({ to, messagingServiceSid: service, body: 'hello' });
    expect(message).toMatchObject({ status: 'accepted', from: null, numSegments: '0', messagingServiceSid: service });
    const delivered = await final(message.sid);
    expect(delivered).toMatchObject({ status: 'delivered', numSegments: '1' });
    expect(['+14155550101', '+14155550102']).toContain(delivered.from);
    expectToFitDescription();
  });

  it('with every parameter we may send', async () => {
    const message = await send({
      from: undefined,
      messagingServiceSid: service,
      mediaUrl: ['https://example.com/a.png', 'https://example.com/b.png'],
      contentSid: `HX${'0'.repeat(32)}`,
      contentVariables: JSON.stringify({ 1: 'Ann' }),
      statusCallback: 'http://127.0.0.1:9/status?messageId=1#rc=0',
      validityPeriod: 600,
      maxPrice: 0.5,
      attempt: 1,
      smartEncoded: true,
      provideFeedback: false,
      forceDelivery: false,
      shortenUrls: false,
      sendAsMms: false,
      riskCheck: 'disable',
      contentRetention: 'retain',
      addressRetention: 'retain',
      trafficType: 'free',
      persistentAction: ['geo:37.787890,-122.391664|375 Beale St'],
      scheduleType: 'fixed',
      sendAt: new Date(Date.now() + 3_600_000),
    });
    expect(message.sid).toMatch(/^MM/);
    expect(message).toMatchObject({ status: 'scheduled', numMedia: '2' });
    expectToFitDescription();
  });

  it.each([
    [21211, { to: '+15005550001' }],
    [21612, { to: '+15005550002' }],
    [21408, { to: '+15005550003' }],
    [21610, { to: '+15005550004' }],
    [21614, { to: '+15005550009' }],
    [21212, { from: '+15005550001' }],
    [21606, { from: '+15005550007' }],
    [21611, { from: '+15005550008' }],
    [21606, { from: '+14155550999' }],
    [21602, { body: '' }],
    [21617, { body: 'a'.repeat(1601) }],
    [21704, { from: undefined, messagingServiceSid: emptyService }],
  ])('refused with %i: 400 in Twilio’s error JSON, and nothing accepted', async (code, params) => {
    await expect(send(params)).rejects.toMatchObject({ name: 'TwilioApiError', status: 400, code });
    expect(await simulator.accepted()).toEqual([]);
    expectToFitDescription();
  });

  it('from the magic sender', async () => {
    expect(await send({ from: '+15005550006' })).toMatchObject({ status: 'queued', from: '+15005550006' });
  });
});

describe('authentication', () => {
  it.each([
    ['a wrong secret', { secret: 'wrong' }],
    ['another account', { accountSid: `AC${'9'.repeat(32)}` }],
  ])('%s is answered 401 with 20003', async (_label, overrides) => {
    const stranger = simulator.client(overrides);
    await expect(stranger.messages.create({ to, from, body: 'hello' })).rejects.toMatchObject({
      status: 401,
      code: 20003,
    });
    expect(await simulator.accepted()).toEqual([]);
    expectToFitDescription();
  });

  it('takes the account’s own auth token too', async () => {
    const authorization = `Basic ${Buffer.from('AC00000000000000000000000000000001:token-that-signs').toString('base64')}`;
    expect((await fetch(simulator.messagesUrl, { headers: { authorization } })).status).toBe(200);
    expect((await fetch(simulator.messagesUrl)).status).toBe(401);
  });
});

describe('one message', () => {
  it('is seen on its way and delivered', async () => {
    const { sid } = await send();
    const message = await final(sid);
    expect(message).toMatchObject({ sid, status: 'delivered', errorCode: null });
    expect(message.dateSent).toBeInstanceOf(Date);
    expectToFitDescription();
  });

  it('that nobody knows is 404 with 20404', async () => {
    await expect(client.messages(`SM${'0'.repeat(32)}`).fetch()).rejects.toMatchObject({ status: 404, code: 20404 });
    expectToFitDescription();
  });

  it('is canceled while it is scheduled, and only then', async () => {
    const sendAt = new Date(Date.now() + 3_600_000);
    const { sid } = await send({ from: undefined, messagingServiceSid: service, scheduleType: 'fixed', sendAt });
    expect(await client.messages(sid).update({ status: 'canceled' })).toMatchObject({ status: 'canceled' });
    await expect(client.messages(sid).update({ status: 'canceled' })).rejects.toMatchObject({ code: 30409 });

    const sent = await send();
    await expect(client.messages(sent.sid).update({ status: 'canceled' })).rejects.toMatchObject({ code: 30409 });
    expectToFitDescription();
  });

  it('is redacted and deleted once it is final; the ground truth remembers it', async () => {
    const { sid } = await send();
    await final(sid);
    expect(await client.messages(sid).update({ body: '' })).toMatchObject({ body: '' });
    expect(await client.messages(sid).remove()).toBe(true);
    await expect(client.messages(sid).fetch()).rejects.toMatchObject({ code: 20404 });
    expect(await client.messages.list()).toEqual([]);
    expect(await simulator.accepted()).toMatchObject([{ sid, body: '', deleted: true }]);
    expectToFitDescription();
  });

  it('is neither redacted nor deleted on its way', async () => {
    await simulator.faults({ callbacks: { delayMs: [3_600_000, 3_600_000] } });
    const { sid } = await send();
    await expect(client.messages(sid).update({ body: '' })).rejects.toMatchObject({ code: 20009 });
    await expect(client.messages(sid).remove()).rejects.toMatchObject({ code: 20009 });
    expect(await simulator.accepted()).toMatchObject([{ sid, body: 'hello', deleted: false }]);
    expectToFitDescription();
  });
});

describe('list', () => {
  it('is newest first, by recipient and by sender', async () => {
    const first = await send();
    const other = await send({ to: '+14156000001' });
    const second = await send();
    const sids = async (filter: object) => (await client.messages.list(filter)).map(({ sid }) => sid);
    expect(await sids({})).toEqual([second.sid, other.sid, first.sid]);
    expect(await sids({ to })).toEqual([second.sid, first.sid]);
    expect(await sids({ to: '+14156000001', from })).toEqual([other.sid]);
    expect(await sids({ to, from: '+14155550101' })).toEqual([]);
    expectToFitDescription();
  });

  it('by date holds what was sent within, to the second, and nothing that was not sent yet', async () => {
    await simulator.faults({ callbacks: { delayMs: [0, 0] } });
    const { sid } = await send();
    const { dateSent } = await final(sid);
    await simulator.faults({ callbacks: { delayMs: [3_600_000, 3_600_000] } });
    const unsent = await send();
    const sids = async (filter: object) => (await client.messages.list(filter)).map((message) => message.sid);
    const shifted = (ms: number) => new Date(dateSent.getTime() + ms);

    expect(await sids({ dateSentAfter: dateSent, dateSentBefore: dateSent })).toEqual([sid]);
    expect(await sids({ dateSentAfter: shifted(1_000) })).toEqual([]);
    expect(await sids({ dateSentBefore: shifted(-1_000) })).toEqual([]);
    expect(await sids({ dateSent: dateSent.toISOString().slice(0, 10) })).toEqual([sid]);
    expect(await sids({ dateSent: '2008-01-02' })).toEqual([]);
    expect(await sids({ to })).toEqual([unsent.sid, sid]);
    expect(exchanges.flatMap(faultsOf).filter((fault) => !fault.includes('"date-time"'))).toEqual([]);
  });

  it('turns pages without a gap or a repeat while messages arrive', async () => {
    const sent: string[] = [];
    for (let i = 0; i < 7; i++) sent.unshift((await send()).sid);

    const first = await client.messages.page({ to, pageSize: 3 });
    const seen = first.instances.map(({ sid }) => sid);
    await send();
    let page = await first.nextPage();
    let last = page;
    for (; page; page = await page.nextPage()) {
      last = page;
      seen.push(...page.instances.map(({ sid }) => sid));
      await send();
    }
    expect(seen).toEqual(sent);

    const back = await last?.previousPage();
    expect(back?.instances.map(({ sid }) => sid)).toEqual(sent.slice(3, 6));
    expectToFitDescription();
  });

  it('ends exactly at a full last page', async () => {
    for (let i = 0; i < 4; i++) await send();
    const first = await client.messages.page({ pageSize: 2 });
    const second = await first.nextPage();
    expect(second?.instances).toHaveLength(2);
    expect(second?.nextPageUrl).toBeUndefined();
  });

  it('refuses what is no date or size', async () => {
    for (const query of ['PageSize=0', 'PageSize=x', 'DateSent=soon']) {
      const { authorization } = simulator;
      const response = await fetch(`${simulator.messagesUrl}?${query}`, { headers: { authorization } });
      expect([response.status, ((await response.json()) as { code: number }).code]).toEqual([400, 20001]);
    }
  });
});

it('answers with Twilio’s headers', async () => {
  const { headers } = await fetch(simulator.messagesUrl, { headers: { authorization: simulator.authorization } });
  expect(headers.get('twilio-request-id')).toMatch(/^RQ[0-9a-f]{32}$/);
  expect(headers.get('twilio-concurrent-requests')).toMatch(/^\d+$/);
  expect(headers.get('twilio-request-duration')).toMatch(/^\d+\.\d{3}$/);
});

it('knows nothing of other resources', async () => {
  await expect(client.applications.list()).rejects.toMatchObject({ status: 404, code: 20404 });
});
