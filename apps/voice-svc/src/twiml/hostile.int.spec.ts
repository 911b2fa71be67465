import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sign } from '@signalbox/twilio';
import { request as httpRequest } from 'node:http';
import { elementsOf } from '../../test/flows.ts';
import { TwilioCaller } from '../../test/twilio-caller.ts';
import {
  accountSid,
  authToken,
  base,
  otherAccountSid,
  startTwimlService,
  type TwimlService,
} from '../../test/twiml-service.ts';

const flow = {
  format: 1,
  start: 'name',
  nodes: {
    name: {
      type: 'gather',
      prompt: 'Who are you?',
      input: ['digits', 'speech'],
      saveAs: 'name',
      attempts: 1,
      next: 'hello',
      noInput: 'bye',
      noMatch: 'wrong',
    },
    hello: { type: 'menu', prompt: 'Hello {{name}}', choices: { '1': 'bye' }, noInput: 'bye', noMatch: 'bye' },
    wrong: { type: 'hangup', prompt: 'No match' },
    bye: { type: 'hangup' },
  },
};

describe('hostile requests', () => {
  let service: TwimlService;
  const form = 'application/x-www-form-urlencoded';

  beforeAll(async () => {
    service = await startTwimlService({
      voice: { defaultFlow: 'names' },
      env: { UNAUTHENTICATED_PER_MINUTE: '10000' },
    });
    await service.putFlow('names', flow);
  }, 60_000);
  afterAll(() => service?.stop());

  const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': form, ...headers },
      body,
    });
    return { status: response.status, text: await response.text() };
  };
  const signed = (path: string, params: Record<string, string>, token: string = authToken) =>
    post(path, new URLSearchParams(params).toString(), {
      'x-twilio-signature': sign({ url: base + path, params, authToken: token }),
    });
  const inbound = '/twilio/voice/inbound';

  it.each([inbound, '/twilio/voice/twiml/names', '/twilio/voice/menu/1?at=x', '/twilio/voice/menu/1/wait?at=x'])(
    'nobody but Twilio gets anything of %s',
    async (path) => {
      const params = { AccountSid: accountSid, CallSid: 'CA1' };
      expect(await post(path, new URLSearchParams(params).toString())).toMatchObject({ status: 403 });
      expect(await signed(path, params, 'wrong-token')).toMatchObject({ status: 403 });
      expect(await signed(path, { ...params, AccountSid: `AC${'9'.repeat(32)}` })).toMatchObject({ status: 403 });
      expect((await fetch(`${service.url}${path}`)).status).toBe(404);
    },
  );

  it.each([
    ['JSON', '{}', 'application/json', 415],
    ['no type', '', '', 403],
    ['more than a request has', `x=${'a'.repeat(1_000_000)}`, form, 413],
    ['bad escapes', 'AccountSid=%E0%A4%A', form, 400],
    ['too many parameters', Array.from({ length: 1001 }, (_, i) => `p${i}=`).join('&'), form, 400],
  ])('%s is answered %4$d', async (_label, body, type, status) => {
    const headers: Record<string, string> = { 'x-twilio-signature': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' };
    expect(await post(inbound, body, { ...headers, 'content-type': type || form })).toMatchObject({ status });
  });

  it.each([
    [{}, 400],
    [{ CallSid: '' }, 400],
    [{ CallSid: `CA'; drop table flow_sessions; --` }, 400],
    [{ CallSid: 'x'.repeat(101) }, 400],
  ])('signed and without a usable CallSid: %j is answered %d', async (params, status) => {
    expect(await signed(inbound, { AccountSid: accountSid, ...params })).toMatchObject({ status });
  });

  it.each([
    '/twilio/voice/menu/1',
    '/twilio/voice/menu/1?at=',
    '/twilio/voice/menu/999999?at=AAAA',
    '/twilio/voice/menu/1/wait?at=%00',
    '/twilio/voice/menu/1?at=..%2f..',
    `/twilio/voice/menu/1?at=${'a'.repeat(5000)}`,
  ])('a place that is none gets an apology or is refused, and never a 5xx: %s', async (path) => {
    const { status, text } = await signed(path, { AccountSid: accountSid, CallSid: 'CA77' });
    expect([200, 400]).toContain(status);
    if (status === 200) expect(elementsOf(text)[0]?.name).toBe('Response');
  });

  it.each(['x', '-1', '1e3', '%3Cscript%3E'])('there is no step %s', async (step) => {
    expect(await signed(`/twilio/voice/menu/${step}?at=x`, { AccountSid: accountSid, CallSid: 'CA1' })).toMatchObject({
      status: 404,
    });
  });

  it('a place of one call opens nothing for another, nor for another tenant', async () => {
    const caller = service.caller();
    await caller.go(inbound);
    const stranger = service.caller();
    expect((await stranger.go(caller.next, { SpeechResult: 'Eve' })).body).toContain('technical problem');
    const other = new TwilioCaller({ url: service.url, base, accountSid: otherAccountSid, authToken });
    Object.assign(other, { callSid: caller.callSid });
    // The two tenants of this test have one token, so only the account tells them apart.
    expect((await other.go(caller.next, { SpeechResult: 'Eve' })).body).toContain('technical problem');
    expect((await other.go('/twilio/voice/twiml/names')).body).toContain('technical problem');
    await caller.answer({ SpeechResult: 'Ann' });
    expect(caller.heard).toBe('Hello Ann');
  });

  it('who names the call of another tenant hears their own flow, and neither learns nor moves anything of it', async () => {
    const body = JSON.stringify({ format: 1, start: 'bye', nodes: { bye: { type: 'hangup', prompt: 'Theirs' } } });
    const headers = { 'content-type': 'application/json' };
    expect(await service.api('/v1/flows/names', { method: 'PUT', token: 'other', headers, body })).toMatchObject({
      status: 200,
    });
    const caller = service.caller();
    const other = new TwilioCaller({ url: service.url, base, accountSid: otherAccountSid, authToken });
    Object.assign(other, { callSid: caller.callSid });
    await caller.go(inbound);
    await other.go(inbound);
    expect(other.heard).toBe('Theirs');
    // Asked again it is what the tenant's own call was told.
    expect((await caller.go(inbound)).body).toContain('Who are you?');
    await caller.answer({ SpeechResult: 'Ann' });
    expect(caller.heard).toBe('Hello Ann');
  });

  it.each([
    ['digits that are XML', { Digits: '<Dial>+1900</Dial>' }, 'No match'],
    ['speech with markup', { SpeechResult: '</Say><Dial>+1900</Dial>&amp;' }, 'Hello </Say><Dial>+1900</Dial>&amp;'],
    ['speech with emoji', { SpeechResult: '👋🏽 it is me 🧑‍🚀' }, 'Hello 👋🏽 it is me 🧑‍🚀'],
    ['control characters', { SpeechResult: 'a\u0000b\u001bc' }, 'Hello abc'],
    ['placeholders', { SpeechResult: '{{call.from}} {{name}}' }, 'Hello {{call.from}} {{name}}'],
    ['a long text', { SpeechResult: 'ab'.repeat(50_000) }, `Hello ${'ab'.repeat(100)}`],
    ['an unheard-of status', { CallStatus: '__proto__', SpeechResult: 'x' }, 'Hello x'],
  ])('%s', async (_label, params, heard) => {
    const caller = service.caller();
    await caller.go(inbound);
    const answer = await caller.answer(params);
    expect([answer.status, caller.heard]).toEqual([200, heard]);
    expect(caller.elements.slice(0, 2)).toEqual(['Response', caller.elements[1]]);
    expect(caller.elements).not.toContain('Dial');
  });

  it('repeated parameters are read as one', async () => {
    const caller = service.caller();
    await caller.go(inbound);
    const path = caller.next.replace(base, '').replace(/#.*/, '');
    const params = { AccountSid: accountSid, CallSid: caller.callSid, SpeechResult: ['Bob', 'Ann'] };
    const body = new URLSearchParams([
      ['AccountSid', accountSid],
      ['CallSid', caller.callSid],
      ['SpeechResult', 'Ann'],
      ['SpeechResult', 'Bob'],
    ]).toString();
    const headers = { 'x-twilio-signature': sign({ url: base + path, params, authToken }) };
    expect((await post(path, body, headers)).text).toContain('Hello Bob');
  });

  it('who keeps on without proving who they are is slowed down', async () => {
    const strict = await startTwimlService({ env: { UNAUTHENTICATED_PER_MINUTE: '3' } });
    try {
      const statuses = [];
      for (let i = 0; i < 5; i++)
        statuses.push(
          (await fetch(`${strict.url}${inbound}`, { method: 'POST', headers: { 'content-type': form }, body: 'a=b' }))
            .status,
        );
      expect(statuses).toEqual([403, 403, 403, 429, 429]);
    } finally {
      await strict.stop();
    }
  });

  it('a request that never ends is cut off', async () => {
    const { port } = new URL(service.url);
    const sent = httpRequest({
      port,
      path: inbound,
      method: 'POST',
      headers: { 'content-type': form, 'content-length': 1_000_000 },
    });
    const status = await new Promise((resolve) => {
      sent.on('response', ({ statusCode }) => resolve(statusCode)).on('error', () => resolve('closed'));
      sent.write('AccountSid=');
    });
    sent.destroy();
    expect([413, 'closed']).toContain(status);
  });
});
