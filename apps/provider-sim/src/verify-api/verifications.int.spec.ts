import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import type { FastifyInstance } from 'fastify';
import type { Twilio } from 'twilio';
import twilio from 'twilio';
import { type CallbackReceiver, callbackReceiver } from '../../test/callback-receiver.ts';
import { type Exchange, faultsOf } from '../../test/openapi/twilio-description.ts';
import { account, type RunningSimulator, runSimulator, verifyService } from '../../test/running-simulator.ts';

interface GroundTruth {
  sid: string;
  to: string;
  from: string;
  body: string;
  code: string;
  channel: string;
  status: string;
  checks: number;
  sends: number;
  attempts: { sid: string; channel: string; status: string; errorCode: number | null }[];
}

let edge: CallbackReceiver;
let simulator: RunningSimulator;
let client: Twilio;
const exchanges: Exchange[] = [];

function record(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (request.url.startsWith('/v2/')) {
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
  edge = await callbackReceiver();
  simulator = await runSimulator({ callbacksUrl: edge.origin, observe: record });
  client = simulator.client();
});
afterAll(async () => {
  await simulator.stop();
  await edge.stop();
});
beforeEach(async () => {
  await simulator.reset();
  edge.clear();
  exchanges.length = 0;
});

/** Every request the SDK made and every answer it got must fit Twilio's own description. */
const expectToFitDescription = () => {
  expect(exchanges).not.toHaveLength(0);
  expect(exchanges.flatMap(faultsOf)).toEqual([]);
};

const to = '+14155550199';
const service = () => client.verify.v2.services(verifyService);
const start = (more: object = {}) => service().verifications.create({ to, channel: 'sms', ...more });
const check = (code: string, more: object = { to }) => service().verificationChecks.create({ code, ...more });
const groundTruth = (query = '') => simulator.control<GroundTruth[]>(`verifications${query}`);
const codeOf = async (sid: string) => {
  const found = (await groundTruth()).find((verification) => verification.sid === sid);
  if (!found) throw new Error(`${sid} is not in the ledger`);
  return found.code;
};
const wrong = (code: string) => (code === '000000' ? '111111' : '000000');
const refused = (work: Promise<unknown>, code: number, status: number) =>
  expect(work).rejects.toMatchObject({ code, status });

interface StreamEvent {
  id: string;
  type: string;
  data: Record<string, unknown>;
}
/** What was posted of one verification: late events of an earlier test may still come. */
const postsOf = (sid: string) => edge.received.filter(({ body }) => body.includes(sid));
const eventsOf = (sid: string) => postsOf(sid).flatMap(({ body }) => JSON.parse(body) as StreamEvent[]);
const typesOf = (sid: string) =>
  eventsOf(sid).map(({ type }) => type.replace('com.twilio.accountsecurity.verify.', ''));

describe('start and check', () => {
  it('sends a code that the ledger tells, takes a wrong one as pending and the right one once', async () => {
    const started = await start();
    expect(started).toMatchObject({ status: 'pending', valid: false, channel: 'sms', to });
    expect(started.sid).toMatch(/^VE[0-9a-f]{32}$/);
    const [truth] = await groundTruth();
    expect(truth).toMatchObject({ sid: started.sid, to, channel: 'sms', status: 'pending', checks: 0, sends: 1 });
    expect(truth?.code).toMatch(/^\d{6}$/);
    expect(truth?.body).toBe(`Your Demo verification code is: ${truth?.code}`);

    const code = truth?.code ?? '';
    expect(await check(wrong(code))).toMatchObject({ status: 'pending', valid: false });
    expect(await check(code, { verificationSid: started.sid })).toMatchObject({ status: 'approved', valid: true });
    expect(exchanges.map(({ status }) => status)).toEqual([201, 201, 201]);
    expectToFitDescription();
    await refused(check(code), 20404, 404);
    await refused(service().verifications(started.sid).fetch(), 20404, 404);
    expect(await groundTruth()).toMatchObject([{ status: 'approved', checks: 3, sends: 1 }]);
  });

  it('sends the same code again while it is pending, five times and no more', async () => {
    const started = await start();
    const again = await start({ channel: 'call' });
    expect(again).toMatchObject({ sid: started.sid, channel: 'call' });
    expect(again.sendCodeAttempts).toHaveLength(2);
    for (let i = 0; i < 3; i++) await start();
    await refused(start(), 60203, 429);
    const [truth, ...others] = await groundTruth();
    expect(others).toEqual([]);
    expect(truth).toMatchObject({ sends: 5, checks: 0 });
    expect(truth?.attempts.map(({ channel }) => channel)).toEqual(['sms', 'call', 'sms', 'sms', 'sms']);
    expect(await check(truth?.code ?? '')).toMatchObject({ status: 'approved' });
    expect((await start()).sid).not.toBe(started.sid);
  });

  it('is closed after five wrong checks, until its time is over', async () => {
    await simulator.control('verify', { ttlMs: 1_500 });
    const { sid } = await start();
    const code = await codeOf(sid);
    for (let i = 0; i < 5; i++) expect(await check(wrong(code))).toMatchObject({ status: 'pending' });
    await refused(check(code), 60202, 429);
    await refused(start(), 60202, 429);
    await refused(service().verifications(sid).fetch(), 20404, 404);
    expect(await groundTruth()).toMatchObject([{ status: 'max_attempts_reached', checks: 6 }]);
    await eventually(async () => expect((await start()).sid).not.toBe(sid));
    await refused(check(code, { verificationSid: sid }), 20404, 404);
  });

  it('five of a hundred wrong checks at once are compared, and every one is counted', async () => {
    const { sid } = await start();
    const code = wrong(await codeOf(sid));
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => check(code)));
    const codes = answers.map((answer) =>
      answer.status === 'rejected' ? (answer.reason as { code: number }).code : 0,
    );
    expect(codes.filter((one) => one === 0)).toHaveLength(5);
    expect(codes.filter((one) => one === 60202)).toHaveLength(95);
    expect(await groundTruth()).toMatchObject([{ checks: 100 }]);
  });

  it('expires, by the time set for it and at a word', async () => {
    await simulator.control('verify', { ttlMs: 50 });
    const first = await start();
    const code = await codeOf(first.sid);
    await eventually(() => refused(service().verifications(first.sid).fetch(), 20404, 404));
    await refused(check(code), 20404, 404);
    await simulator.control('verify', {});
    const second = await start();
    expect(second.sid).not.toBe(first.sid);
    await simulator.control(`verifications/${second.sid}/expire`, {});
    await refused(check(await codeOf(second.sid)), 20404, 404);
    expect((await groundTruth()).map(({ status }) => status)).toEqual(['expired', 'expired']);
    await expect(simulator.control('verifications/VE0/expire', {})).rejects.toThrow(/^404 /);
  });

  it('is approved or canceled by an update, by SID or recipient, which is the feedback on custom codes', async () => {
    const first = await start();
    expect(await service().verifications(first.sid).fetch()).toMatchObject({ status: 'pending' });
    expect(await service().verifications(first.sid).update({ status: 'canceled' })).toMatchObject({
      status: 'canceled',
    });
    await refused(check(await codeOf(first.sid)), 20404, 404);
    const second = await start();
    expect(second.sid).not.toBe(first.sid);
    expect(await service().verifications(to).update({ status: 'approved' })).toMatchObject({
      sid: second.sid,
      status: 'approved',
      valid: true,
    });
    const attempts = await client.verify.v2.verificationAttempts.list({ verificationSid: second.sid });
    expect(attempts).toMatchObject([{ conversionStatus: 'converted' }]);
    await refused(service().verifications(second.sid).update({ status: 'canceled' }), 20404, 404);
  });

  it('a burst of starts for one number is too many at once', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => start()));
    const codes = answers.map((answer) =>
      answer.status === 'rejected' ? (answer.reason as { code: number }).code : 0,
    );
    expect(codes.filter((one) => one === 0)).toHaveLength(5);
    expect(codes.filter((one) => one === 60203)).toHaveLength(5);
    expect(codes.filter((one) => one === 60212)).toHaveLength(90);
    expect(await groundTruth()).toMatchObject([{ sends: 5 }]);
  });

  it.each([
    ['to an email address', { to: 'ada@example.com', channel: 'email' }, { channel: 'email' }],
    ['over WhatsApp', { channel: 'whatsapp' }, { channel: 'whatsapp', from: 'whatsapp:+14155550111' }],
    ['by a call', { channel: 'call' }, { channel: 'call' }],
    ['as Twilio chooses', { channel: 'auto' }, { channel: 'sms' }],
  ])('sends %s', async (_label, params, truth) => {
    const started = await start(params);
    expect(started.status).toBe('pending');
    expect(await groundTruth()).toMatchObject([truth]);
    expectToFitDescription();
  });

  it('writes in the locale, under another name, with the warning, the hash and by a template', async () => {
    await service().update({ doNotShareWarningEnabled: true });
    const bodies = async () => (await groundTruth()).map(({ body, code }) => body.replace(code, '*'));
    const each = [
      { to: '+14155550101', locale: 'de' },
      { to: '+14155550102', locale: 'tlh', customFriendlyName: 'Bank' },
      { to: '+14155550103', appHash: 'He42w354ol9' },
      {
        to: '+14155550104',
        channel: 'call',
        templateSid: 'HJ00000000000000000000000000000002',
        templateCustomSubstitutions: JSON.stringify({ reference: 'order 7' }),
      },
    ];
    for (const params of each) await start(params);
    const warning = ". Don't share this code with anyone; our employees will never ask for the code";
    expect(await bodies()).toEqual([
      `Ihr Bestätigungscode für Demo lautet: *${warning}`,
      `Your Bank verification code is: *${warning}`,
      `<#> Your Demo verification code is: *${warning} He42w354ol9`,
      '* is your Demo code for order 7, for 10 minutes',
    ]);
    expectToFitDescription();
  });

  it('sends a code of our own when the service allows it', async () => {
    await refused(start({ customCode: 'A1B2C3' }), 60204, 403);
    await service().update({ customCodeEnabled: true });
    await refused(start({ customCode: '123' }), 60200, 400);
    const { sid } = await start({ customCode: 'A1B2C3' });
    expect(await codeOf(sid)).toBe('A1B2C3');
    expect(await check('A1B2C3')).toMatchObject({ status: 'approved' });
  });

  it.each<[string, object, number, number]>([
    ['a number without its plus', { to: '14155550199' }, 60200, 400],
    ['an email address for a text', { to: 'ada@example.com' }, 60200, 400],
    ['a number for an email', { channel: 'email' }, 60200, 400],
    ['an unknown channel', { channel: 'pigeon' }, 60200, 400],
    ['a channel the account has not', { channel: 'sna' }, 60200, 400],
    ['an address that is none', { deviceIp: 'here' }, 60200, 400],
    ['an unknown template', { templateSid: 'HJ00000000000000000000000000000009' }, 60228, 400],
    [
      'a template without its words',
      { templateSid: 'HJ00000000000000000000000000000002', channel: 'call' },
      60224,
      400,
    ],
    ['a hash for a call', { channel: 'call', appHash: 'He42w354ol9' }, 60602, 400],
    ['tags that are no map', { tags: '[]' }, 60200, 400],
  ])('refuses %s', async (_label, params, code, status) => {
    await refused(start(params), code, status);
    expect(await groundTruth()).toEqual([]);
  });

  it('refuses checks that make no sense, and an unknown service', async () => {
    await start();
    await refused(check('12'), 60200, 400);
    await refused(check('123456', {}), 60200, 400);
    await refused(check('123456', { to: '+14155550000' }), 20404, 404);
    await refused(client.verify.v2.services('VA00000000000000000000000000000009').fetch(), 20404, 404);
    await expect(simulator.client({ secret: 'wrong' }).verify.v2.services(verifyService).fetch()).rejects.toMatchObject(
      {
        code: 20003,
        status: 401,
      },
    );
  });
});

describe('services', () => {
  it('are created, listed over pages, changed and removed', async () => {
    const created = await client.verify.v2.services.create({
      friendlyName: 'Shop',
      codeLength: 8,
      lookupEnabled: true,
      skipSmsToLandlines: true,
      'totp.issuer': 'Shop',
      defaultTemplateSid: 'HJ00000000000000000000000000000001',
    });
    expect(created).toMatchObject({ friendlyName: 'Shop', codeLength: 8, skipSmsToLandlines: true });
    const listed = await client.verify.v2.services.list({ pageSize: 1 });
    expect(listed.map(({ sid }) => sid)).toEqual([created.sid, verifyService]);
    const page = await client.verify.v2.services.page({ pageSize: 1 });
    const next = await page.nextPage();
    expect((await next?.previousPage())?.instances.map(({ sid }) => sid)).toEqual([created.sid]);
    expect(await client.verify.v2.services(created.sid).update({ codeLength: 4 })).toMatchObject({
      codeLength: 4,
      friendlyName: 'Shop',
    });
    const { code } = (await startAt(created.sid)) ?? {};
    expect(code).toMatch(/^\d{4}$/);
    await client.verify.v2.services(created.sid).remove();
    await refused(client.verify.v2.services(created.sid).fetch(), 20404, 404);
  });

  const startAt = async (sid: string) => {
    await client.verify.v2.services(sid).verifications.create({ to: '+14155550188', channel: 'sms' });
    return (await groundTruth('?to=%2B14155550188')).at(-1);
  };

  it.each<[string, object, number]>([
    ['a name too long', { friendlyName: 'n'.repeat(31) }, 60200],
    ['a code too short', { friendlyName: 'Shop', codeLength: 3 }, 60200],
    ['a code too long', { friendlyName: 'Shop', codeLength: 11 }, 60200],
    ['skipping without lookup', { friendlyName: 'Shop', skipSmsToLandlines: true }, 60200],
    ['an unknown template', { friendlyName: 'Shop', defaultTemplateSid: 'HJ00000000000000000000000000000009' }, 60228],
  ])('are refused with %s', async (_label, params, code) => {
    await refused(client.verify.v2.services.create(params as { friendlyName: string }), code, 400);
  });

  it('limit starts by keys of their own', async () => {
    const limit = await service().rateLimits.create({ uniqueName: 'end_user_ip', description: 'By address' });
    const buckets = service().rateLimits(limit.sid).buckets;
    const bucket = await buckets.create({ max: 2, interval: 3600 });
    const from = (ip: string, number: string) => start({ to: number, rateLimits: JSON.stringify({ end_user_ip: ip }) });
    await from('192.0.2.1', '+14155550101');
    await from('192.0.2.1', '+14155550102');
    await from('192.0.2.2', '+14155550103');
    await service().rateLimits(limit.sid).update({ description: 'Of the user' });
    expect(await service().rateLimits(limit.sid).fetch()).toMatchObject({ description: 'Of the user' });
    expect(await service().rateLimits.list()).toHaveLength(1);
    expect(await buckets.list()).toMatchObject([{ max: 2, interval: 3600 }]);
    expectToFitDescription();
    await refused(from('192.0.2.1', '+14155550104'), 20429, 429);
    await service().rateLimits(limit.sid).buckets(bucket.sid).update({ max: 3 });
    await from('192.0.2.1', '+14155550104');
    await refused(service().rateLimits.create({ uniqueName: 'end_user_ip' }), 60208, 400);
    await refused(service().rateLimits.create({ uniqueName: 'end user' }), 60209, 400);
    await refused(buckets.create({ max: 9, interval: 3600 }), 60211, 400);
    await service().rateLimits(limit.sid).buckets(bucket.sid).remove();
    expect(await buckets.list()).toEqual([]);
    await service().rateLimits(limit.sid).remove();
    await refused(service().rateLimits(limit.sid).fetch(), 20404, 404);
  });

  it('list templates and keep a safe list', async () => {
    const templates = await client.verify.v2.templates.list();
    expect(templates.map(({ friendlyName }) => friendlyName)).toEqual(['Code only', 'Code, link and lifetime']);
    const { safelist } = client.verify.v2;
    expect(await safelist.create({ phoneNumber: to })).toMatchObject({ phoneNumber: to });
    expect(await safelist(to).fetch()).toMatchObject({ phoneNumber: to });
    expect(await safelist(to).remove()).toBe(true);
    expectToFitDescription();
    await refused(safelist(to).fetch(), 20404, 404);
  });
});

describe('the fault plan', () => {
  it('refuses by prefix and channel with the codes of Verify, Fraud Guard but for numbers that are trusted', async () => {
    await simulator.faults({
      errors: [
        { prefix: '+1415555', code: 60410, channels: ['sms'] },
        { prefix: '+86', code: 60220 },
        { prefix: '+98', code: 60605 },
      ],
    });
    await refused(start(), 60410, 403);
    await refused(start({ to: '+8613800138000' }), 60220, 400);
    await refused(start({ to: '+982112345678' }), 60605, 403);
    expect((await start({ channel: 'call' })).status).toBe('pending');
    expect((await start({ to: '+14155550102', riskCheck: 'disable' })).status).toBe('pending');
    await client.verify.v2.safelist.create({ phoneNumber: '+14155550103' });
    expect((await start({ to: '+14155550103' })).status).toBe('pending');
    expect(await simulator.client().messages.create({ to, from: '+14155550100', body: 'hello' })).toBeDefined();
  });

  it('knows landlines: texts to them are skipped by a service that asks for it, else not delivered', async () => {
    await simulator.control('verify', { landlines: ['+14155550'] });
    const { sid } = await start();
    await eventually(async () => {
      const attempts = await client.verify.v2.verificationAttempts.list({ verificationSid: sid });
      expect(attempts[0]?.channelData).toMatchObject({ message_status: 'undelivered', error_code: '30006' });
    });
    await service().update({ lookupEnabled: true, skipSmsToLandlines: true });
    await refused(start({ to: '+14155550102' }), 60205, 403);
    const called = await start({ to: '+14155550102', channel: 'call' });
    expect(called.lookup).toMatchObject({ carrier: { type: 'landline' } });
  });

  it('delays, refuses and hangs checks apart from starts', async () => {
    const { sid } = await start();
    const code = await codeOf(sid);
    await simulator.faults({ operations: ['check'], rates: { '429': 1 }, retryAfterSeconds: 3 });
    await refused(check(code), 20429, 429);
    expect((await start()).sid).toBe(sid);
    await simulator.faults({ operations: ['check'], rates: { timeoutAfter: 1 } });
    await expect(
      simulator.client({ timeoutMs: 200 }).verify.v2.services(verifyService).verificationChecks.create({ code, to }),
    ).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await groundTruth()).toMatchObject([{ status: 'approved', checks: 1, sends: 2 }]);
  });
});

describe('attempts', () => {
  it('are listed newest first, by filters and over pages, and summed up', async () => {
    const mine = await start();
    await start({ channel: 'whatsapp' });
    const german = await start({ to: '+4915123456789' });
    await check(await codeOf(german.sid), { to: '+4915123456789' });
    const { verificationAttempts, verificationAttemptsSummary } = client.verify.v2;
    const sids = async (params: object) =>
      (await verificationAttempts.list(params)).map(({ verificationSid }) => verificationSid);
    expect(await sids({})).toEqual([german.sid, mine.sid, mine.sid]);
    expect(await sids({ pageSize: 1 })).toEqual([german.sid, mine.sid, mine.sid]);
    expect(await sids({ 'channelData.to': to })).toHaveLength(2);
    expect(await sids({ channel: 'whatsapp' })).toEqual([mine.sid]);
    expect(await sids({ country: 'DE' })).toEqual([german.sid]);
    expect(await sids({ status: 'converted' })).toEqual([german.sid]);
    expect(await sids({ verificationSid: mine.sid })).toHaveLength(2);
    expect(await sids({ verifyServiceSid: verifyService })).toHaveLength(3);
    expect(await sids({ dateCreatedAfter: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(await sids({ dateCreatedBefore: new Date(Date.now() - 60_000) })).toEqual([]);

    const [newest] = await verificationAttempts.list({ limit: 1 });
    expect(await verificationAttempts(newest?.sid ?? '').fetch()).toMatchObject({
      channel: 'sms',
      conversionStatus: 'converted',
      channelData: { to: '+4915123456789', status: 'confirmed', country: 'DE', code_length: 6 },
    });
    const summary = await verificationAttemptsSummary().fetch();
    expect(summary).toMatchObject({ totalAttempts: 3, totalConverted: 1, totalUnconverted: 2 });
    expect(await verificationAttemptsSummary().fetch({ destinationPrefix: '+49' })).toMatchObject({
      totalAttempts: 1,
      conversionRatePercentage: '100',
    });
    expectToFitDescription();
  });
});

describe('events', () => {
  it('tell the edge of a verification and of its message, signed, one CloudEvent each', async () => {
    const { sid } = await start({ tags: JSON.stringify({ verificationId: 'v-1' }) });
    await eventually(() => expect(typesOf(sid)).toContain('message.delivered'));
    await check(await codeOf(sid));
    await eventually(() => expect(typesOf(sid)).toHaveLength(4));
    expect(typesOf(sid).sort()).toEqual([
      'message.delivered',
      'message.sent',
      'verification.approved',
      'verification.pending',
    ]);
    const [first] = postsOf(sid);
    expect(first?.url).toContain('/twilio/verify/events?bodySHA256=');
    const signature = String(first?.headers['x-twilio-signature']);
    const valid = (token: string) =>
      twilio.validateRequestWithBody(token, signature, first?.url ?? '', first?.body ?? '');
    expect([valid(account.authToken), valid('another')]).toEqual([true, false]);
    expect(eventsOf(sid).find(({ type }) => type.endsWith('message.delivered'))?.data).toMatchObject({
      verification_sid: sid,
      message_status: 'DELIVERED',
      channel: 'SMS',
      error_code: '',
      tags: { verificationId: 'v-1' },
    });
    const approved = eventsOf(sid).find(({ type }) => type.endsWith('verification.approved'));
    expect(approved?.data).toMatchObject({ verification_status: 'APPROVED', to, check_attempts: { count: 1 } });
    expect(JSON.stringify(eventsOf(sid))).not.toContain(await codeOf(sid));
    expect(new Set(eventsOf(sid).map(({ id }) => id)).size).toBe(4);
  });

  it.each<[string, object, string, string | undefined]>([
    ['undelivered texts', { channel: 'sms' }, 'message.undelivered', '30003'],
    ['calls nobody takes', { channel: 'call' }, 'message.undelivered', '30003'],
  ])('tell of %s', async (_label, params, type, errorCode) => {
    await simulator.faults({ errors: [{ prefix: '+1415999', code: 30003 }] });
    const { sid } = await start({ to: '+14159990199', ...params });
    await eventually(() => expect(typesOf(sid)).toContain(type));
    expect(eventsOf(sid).find((event) => event.type.endsWith(type))?.data).toMatchObject({ error_code: errorCode });
  });

  it('tell of every other end', async () => {
    const canceled = await start({ to: '+14155550101' });
    await service().verifications(canceled.sid).update({ status: 'canceled' });
    const expired = await start({ to: '+14155550102' });
    await simulator.control(`verifications/${expired.sid}/expire`, {});
    const closed = await start({ to: '+14155550103' });
    const code = wrong(await codeOf(closed.sid));
    for (let i = 0; i < 5; i++) await check(code, { to: '+14155550103' });
    await eventually(() => {
      expect(typesOf(canceled.sid)).toContain('verification.canceled');
      expect(typesOf(expired.sid)).toContain('verification.expired');
      expect(typesOf(closed.sid)).toContain('verification.max-attempts-reached');
    });
  });

  it('come twice, or not at all, as the plan has it, and only from services that are subscribed', async () => {
    await simulator.faults({ callbacks: { duplicate: 1 } });
    const { sid } = await start();
    await eventually(() => expect(typesOf(sid)).toHaveLength(6));
    await simulator.faults({ callbacks: { drop: 1 } });
    await start({ to: '+14155550101' });
    await eventually(async () =>
      expect(await simulator.control<{ dropped: number }>('callbacks')).toMatchObject({ dropped: 3 }),
    );
    await simulator.faults({});
    await service().update({ verifyEventSubscriptionEnabled: false });
    const quiet = await start({ to: '+14155550102' });
    await eventually(async () => {
      const [truth] = await groundTruth('?to=%2B14155550102');
      expect(truth?.attempts[0]?.status).toBe('delivered');
    });
    expect(typesOf(quiet.sid)).toEqual([]);
  });

  it('are tried again until the edge takes them', async () => {
    await eventually(async () => expect(await simulator.control('callbacks')).toMatchObject({ pending: 0 }));
    let refusals = 0;
    edge.answerWith(() => (refusals++ < 1 ? 503 : 204));
    const { sid } = await start({ channel: 'email', to: 'ada@example.com' });
    await eventually(() => expect(typesOf(sid)).toEqual(['verification.pending', 'verification.pending']));
    const [refusedOne, taken] = postsOf(sid);
    expect(refusedOne?.body).toBe(taken?.body);
  });
});

describe('the ledger', () => {
  it('lists oldest first, by recipient and up to a limit; a reset leaves the configured services only', async () => {
    const first = await start();
    const other = await start({ to: '+14155550101' });
    await client.verify.v2.services.create({ friendlyName: 'Shop' });
    expect((await groundTruth()).map(({ sid }) => sid)).toEqual([first.sid, other.sid]);
    expect(await groundTruth('?limit=1')).toHaveLength(1);
    expect(await groundTruth('?to=%2B14155550101')).toMatchObject([{ sid: other.sid }]);
    await simulator.reset();
    expect(await groundTruth()).toEqual([]);
    expect((await client.verify.v2.services.list()).map(({ sid }) => sid)).toEqual([verifyService]);
  });
});
