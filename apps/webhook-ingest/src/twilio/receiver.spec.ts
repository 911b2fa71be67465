import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PublicUrl, Refusals } from '@signalbox/edge';
import { ProblemException } from '@signalbox/service';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant } from '@signalbox/tenants';
import { parseForm, sign } from '@signalbox/twilio';
import { messageId, sid } from '../fixtures/messages.ts';
import type { CallbackRequest } from '../http/bodies.ts';
import type { Kept } from '../intake/intake.ts';
import { twilioCallbacks } from './callbacks.ts';
import { TwilioReceiver } from './receiver.ts';

const account = (digit: string) => `AC${digit.repeat(32)}`;
const tenant = (name: string, digit: string, more: Partial<Tenant['twilio']> = {}) =>
  ({ name, twilio: { accountSid: account(digit), authTokens: [`${name}-next`, `${name}-token`], ...more } }) as Tenant;
const tenants = [
  tenant('demo', '1'),
  tenant('child', '2', { parentAccountSid: account('1') }),
  tenant('other', '3'),
  tenant('pinned', '4', {
    sharedKeys: [{ routes: ['/twilio/sms/status'], secrets: ['shared-next', 'shared'], algorithm: 'HMAC_SHA256' }],
  }),
];
const accounts = { all: tenants, byAccountSid: (of: string) => tenants.find(({ twilio }) => twilio.accountSid === of) };

const base = 'https://hooks.example.com';
const alias = 'https://old.example.org/hooks';
const status = '/twilio/sms/status';

interface Sent {
  route?: string;
  query?: string;
  form?: string;
  json?: unknown;
  secret?: string;
  algorithm?: 'sha1' | 'sha256';
  signedUrl?: string;
  headers?: Record<string, string>;
  ip?: string;
}

/** As Twilio would sign and send it. */
function request({ route = status, query = '', form, json, secret, algorithm, ...sent }: Sent): CallbackRequest {
  const raw = json === undefined ? undefined : Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const hash = raw && `bodySHA256=${createHash('sha256').update(raw).digest('hex')}`;
  const target = route + [query, hash].filter(Boolean).reduce((all, one) => `${all}${all ? '&' : '?'}${one}`, '');
  const parsed = parseForm(form ?? '');
  const signature =
    secret === undefined
      ? undefined
      : sign({
          url: sent.signedUrl ?? base + target,
          ...(raw ? { json: raw } : { params: parsed.ok ? parsed.params : {} }),
          authToken: secret,
          ...(algorithm && { algorithm }),
        });
  return {
    raw: { url: target },
    body: raw ?? form,
    headers: { ...(signature && { 'x-twilio-signature': signature }), ...sent.headers },
    ip: sent.ip ?? '192.0.2.1',
  } as unknown as CallbackRequest;
}

function receiver({ mode = 'enforce', perMinute = 1000 }: { mode?: 'enforce' | 'report'; perMinute?: number } = {}) {
  const kept: Kept[] = [];
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
  const logger = createLogger('receiver-spec', { level: 'info', destination });
  const twilio = new TwilioReceiver(
    [new PublicUrl(base), new PublicUrl(alias)],
    accounts,
    { keep: async (_route, some) => void kept.push(...some) },
    new Refusals(logger, perMinute),
    logger,
    mode,
  );
  const take = async (sent: Sent) => {
    const callback = twilioCallbacks.find(({ route }) => route === (sent.route ?? status));
    if (!callback) throw new Error('no such route');
    try {
      await twilio.take(callback, request(sent));
      return 'taken';
    } catch (error) {
      if (error instanceof ProblemException) return error.getStatus();
      throw error;
    }
  };
  const seen = () =>
    kept.map((one) =>
      'record' in one
        ? { topic: one.topic.name, key: one.record.key, data: one.record.event.data }
        : { topic: `${one.topic.name}.dlq`, ...one.unusable },
    );
  return { take, seen, lines };
}

const form = (digit: string) => `MessageSid=${sid}&MessageStatus=sent&AccountSid=${account(digit)}`;

describe('who has sent a callback', () => {
  it.each<[string, Sent, object]>([
    ['the account it names', { form: form('1'), secret: 'demo-token' }, { tenant: 'demo', accountSid: account('1') }],
    ['either token of a rotation', { form: form('1'), secret: 'demo-next' }, { tenant: 'demo' }],
    [
      'our id from the URL',
      { form: form('1'), query: `messageId=${messageId}`, secret: 'demo-token' },
      { correlationId: messageId },
    ],
    [
      'under another of our base URLs',
      { form: form('1'), secret: 'demo-token', signedUrl: alias + status },
      { tenant: 'demo' },
    ],
    [
      'a shared key, where the tenant file says so',
      { form: form('4'), secret: 'shared', algorithm: 'sha256' },
      { tenant: 'pinned' },
    ],
    [
      'the auth token on a route that no shared key covers',
      {
        route: '/twilio/voice/status',
        form: `CallSid=CA1&CallStatus=ringing&AccountSid=${account('4')}`,
        secret: 'pinned-token',
      },
      { tenant: 'pinned' },
    ],
    [
      'a subaccount without tenant, by its parent',
      {
        route: '/twilio/debugger',
        form: `Sid=NO1&Level=ERROR&AccountSid=${account('9')}&ParentAccountSid=${account('1')}`,
        secret: 'demo-token',
      },
      { tenant: 'demo', accountSid: account('9') },
    ],
    [
      'a flow that names its account in the URL',
      {
        route: '/twilio/studio/events',
        query: `accountSid=${account('3')}`,
        form: 'ExecutionSid=FN1',
        secret: 'other-token',
      },
      { tenant: 'other', accountSid: account('3') },
    ],
    [
      'a flow that names no account at all',
      { route: '/twilio/studio/events', form: 'ExecutionSid=FN1', secret: 'other-token' },
      { tenant: 'other' },
    ],
    [
      'a Verify webhook in JSON',
      {
        route: '/twilio/verify/events',
        json: { uuid: 'u', type: 'factor.verified', account_sid: account('1'), factor_sid: 'YF1', n: 1, x: null },
        secret: 'demo-token',
      },
      { tenant: 'demo', status: 'verified', params: { n: '1', x: '' } },
    ],
  ])('%s', async (_label, sent, data) => {
    const { take, seen } = receiver();
    expect(await take(sent)).toBe('taken');
    expect(seen()).toMatchObject([{ data }]);
  });

  it.each<[string, Sent, number, object]>([
    ['no signature', { form: form('1') }, 403, { cause: 'missing_signature' }],
    [
      'an unknown account',
      { form: form('8'), secret: 'x' },
      403,
      { cause: 'unknown_account', accountSid: account('8') },
    ],
    [
      'no account',
      { form: `MessageSid=${sid}&MessageStatus=sent`, secret: 'demo-token' },
      403,
      { cause: 'unknown_account' },
    ],
    ["another account's token", { form: form('1'), secret: 'other-token' }, 403, { cause: 'wrong_token' }],
    [
      'http instead of https',
      { form: form('1'), secret: 'demo-token', signedUrl: `http://hooks.example.com${status}` },
      403,
      { cause: 'url_mismatch', url: base + status, signedUrl: `http://hooks.example.com${status}` },
    ],
    [
      'the host that the request says',
      {
        form: form('1'),
        secret: 'demo-token',
        signedUrl: `https://internal:8443${status}`,
        headers: { host: 'internal:8443' },
      },
      403,
      { cause: 'url_mismatch', signedUrl: `https://internal:8443${status}` },
    ],
    ['a guess', { form: form('1'), secret: 'guess' }, 403, { cause: 'forged' }],
    [
      'the auth token where a shared key is pinned, whatever the header says',
      {
        form: form('4'),
        secret: 'pinned-token',
        headers: { 'x-twilio-webhooks-signature-settings': 'key=x,algorithm=HMAC_SHA1' },
      },
      403,
      { cause: 'wrong_token' },
    ],
    [
      'a shared key where none is pinned, whatever the header says',
      {
        form: form('1'),
        secret: 'demo-token',
        algorithm: 'sha256',
        headers: { 'x-twilio-webhooks-signature-settings': 'key=x,algorithm=HMAC_SHA256' },
      },
      403,
      { cause: 'wrong_token' },
    ],
    ['a form that cannot be read', { form: 'a=%zz', secret: 'demo-token' }, 400, { cause: 'malformed' }],
    [
      'an authentic form that says nothing',
      { form: `AccountSid=${account('1')}`, secret: 'demo-token' },
      400,
      {
        cause: 'malformed',
        why: 'no MessageSid',
      },
    ],
    [
      "an account of another tenant that is not the signer's child",
      {
        route: '/twilio/debugger',
        form: `Sid=NO1&Level=ERROR&AccountSid=${account('3')}&ParentAccountSid=${account('1')}`,
        secret: 'demo-token',
      },
      400,
      { cause: 'malformed', why: "another tenant's account" },
    ],
    ['JSON where only forms are taken', { json: {}, secret: 'demo-token' }, 415, {}],
    ['a form where only JSON is taken', { route: '/twilio/events', form: form('1'), secret: 'demo-token' }, 415, {}],
    ['JSON that is none', { route: '/twilio/events', json: '{', secret: 'demo-token' }, 400, { why: 'not_json' }],
    [
      'JSON without end',
      { route: '/twilio/events', json: '['.repeat(1e6), secret: 'demo-token' },
      400,
      { why: 'too_deep' },
    ],
    [
      'JSON that is no event',
      { route: '/twilio/events', json: {}, secret: 'demo-token' },
      400,
      { why: 'no CloudEvent' },
    ],
  ])('%s is refused', async (_label, sent, answer, logged) => {
    const { take, seen, lines } = receiver();
    expect(await take(sent)).toBe(answer);
    expect(seen()).toEqual([]);
    expect(lines).toMatchObject(answer === 415 ? [] : [{ msg: 'callback refused', ...logged }]);
  });

  it('takes no JSON whose hash is not that of the body', async () => {
    const { take, lines } = receiver();
    const json = JSON.stringify([{ account_sid: account('1') }]);
    const signedUrl = `${base}/twilio/events?bodySHA256=${'0'.repeat(64)}`;
    const sent = { route: '/twilio/events', query: `bodySHA256=${'0'.repeat(64)}`, json, secret: 'demo-token' };
    expect(await take(sent)).toBe(403);
    expect(await take({ ...sent, signedUrl })).toBe(403);
    expect(lines).toMatchObject([{ cause: 'body_hash' }, { cause: 'forged' }]);
  });
});

describe('a batch of Event Streams', () => {
  const event = (accountSid: string, more: object = {}) => ({
    specversion: '1.0',
    id: 'NO1',
    type: 'com.twilio.messaging.message.sent',
    data: { accountSid, messageSid: sid, messageStatus: 'SENT' },
    ...more,
  });

  it('becomes one record each, and what cannot a dead letter with its reason', async () => {
    const { take, seen } = receiver();
    const batch = [
      event(account('1')),
      event(account('2')),
      event(account('9')),
      event(account('3')),
      event(account('1'), { data: { accountSid: account('1'), messageStatus: 'SENT' } }),
      'rubbish',
    ];
    expect(await take({ route: '/twilio/events', json: batch, secret: 'demo-token' })).toBe('taken');
    const topic = 'callbacks.twilio.message.v1';
    expect(seen()).toMatchObject([
      { topic, data: { tenant: 'demo', accountSid: account('1') } },
      { topic, data: { tenant: 'child', accountSid: account('2') } },
      { topic, data: { tenant: 'demo', accountSid: account('9') } },
      { topic: `${topic}.dlq`, tenant: 'demo', reason: expect.stringContaining('another tenant') },
      { topic: `${topic}.dlq`, reason: 'com.twilio.messaging.message.sent without MessageSid' },
      {
        topic: 'callbacks.twilio.debugger.v1.dlq',
        value: '"rubbish"',
        reason: 'not a CloudEvent with id, type and data',
      },
    ]);
  });

  it.each(['/twilio/verify/events', '/twilio/studio/events', '/twilio/debugger'])(
    'may be sent to %s as well',
    async (route) => {
      const { take, seen } = receiver();
      expect(await take({ route, json: event(account('1')), secret: 'demo-token' })).toBe('taken');
      expect(seen()).toMatchObject([{ topic: 'callbacks.twilio.message.v1', data: { status: 'sent' } }]);
    },
  );

  it('is taken when it names no account we know', async () => {
    const { take, seen } = receiver();
    const test = { specversion: '1.0', id: 'NO1', type: 'com.twilio.eventstreams.test-event', data: { test_id: '1' } };
    expect(await take({ route: '/twilio/events', json: [test], secret: 'other-token' })).toBe('taken');
    expect(seen()).toMatchObject([
      { topic: 'callbacks.twilio.debugger.v1', data: { tenant: 'other', level: 'UNMAPPED' } },
    ]);
  });
});

describe('in report mode', () => {
  it('takes what a known account may have sent, and says loudly that it is not proven', async () => {
    const { take, seen, lines } = receiver({ mode: 'report' });
    const signedUrl = `http://hooks.example.com${status}`;
    expect(await take({ form: form('1'), secret: 'demo-token', signedUrl })).toBe('taken');
    expect(seen()).toMatchObject([{ data: { tenant: 'demo' } }]);
    expect(lines).toMatchObject([
      { level: 'warn', msg: expect.stringContaining('AUTH_MODE is report') },
      { level: 'warn', msg: 'callback taken without proof of its sender', cause: 'url_mismatch' },
    ]);
  });

  it('takes what has no signature', async () => {
    const { take, lines } = receiver({ mode: 'report' });
    expect(await take({ form: form('1') })).toBe('taken');
    expect(lines.at(-1)).toMatchObject({ cause: 'missing_signature' });
  });

  it.each<[string, Sent]>([
    ['no known account', { form: form('8'), secret: 'x' }],
    ['no account, without a signature', { form: 'a=%zz' }],
  ])('refuses what is of %s', async (_label, sent) => {
    expect(await receiver({ mode: 'report' }).take(sent)).toBe(403);
  });
});

describe('the limit', () => {
  it('is for those who do not prove themselves, and never for a right signature', async () => {
    const { take } = receiver({ perMinute: 2 });
    const guess = { form: form('1'), secret: 'guess' };
    expect([await take(guess), await take(guess), await take(guess)]).toEqual([403, 403, 429]);
    expect(await take({ form: form('1'), secret: 'demo-token' })).toBe('taken');
    expect(await take({ form: `AccountSid=${account('1')}`, secret: 'demo-token' })).toBe(400);
    expect(await take({ ...guess, ip: '192.0.2.2' })).toBe(403);
  });

  it('finds out nothing more for a source that guesses on: that costs more than the check', async () => {
    const { take, lines } = receiver({ perMinute: 1 });
    const guess: Sent = { form: form('1'), secret: 'other-token' };
    expect([await take(guess), await take(guess)]).toEqual([403, 429]);
    expect(lines.map(({ cause }) => cause)).toEqual(['wrong_token', 'forged']);
  });
});
