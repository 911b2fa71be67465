import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import type { FastifyInstance } from 'fastify';
import type { Twilio } from 'twilio';
import { type Exchange, faultsOf } from '../../test/openapi/twilio-description.ts';
import { account, type RunningSimulator, runSimulator } from '../../test/running-simulator.ts';
import { type TwimlServer, twimlServer } from '../../test/twiml-server.ts';
import type { acceptedCall } from './accepted-calls.ts';

type SimulatedCall = ReturnType<typeof acceptedCall>;

let simulator: RunningSimulator;
let application: TwimlServer;
let client: Twilio;
const exchanges: Exchange[] = [];

function record(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (request.url.startsWith('/2010') && !/\.(wav|mp3)$/.test(request.url)) {
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
  application = await twimlServer();
  simulator = await runSimulator({
    observe: record,
    voiceUrl: `${application.origin}/inbound`,
    voiceFallbackUrl: `${application.origin}/fallback`,
    callbacksUrl: application.origin,
  });
  client = simulator.client();
});
afterAll(async () => {
  await simulator.stop();
  await application.stop();
});
beforeEach(async () => {
  await simulator.reset();
  application.clear();
  exchanges.length = 0;
});

/** Every request the SDK made and every answer it got must fit Twilio's own description. */
const expectToFitDescription = () => {
  expect(exchanges).not.toHaveLength(0);
  expect(exchanges.flatMap(faultsOf)).toEqual([]);
};

const from = '+14155550100';
const to = '+14155550199';
const everyEvent = ['initiated', 'ringing', 'answered', 'completed'];
const place = (more: object = {}) =>
  client.calls.create({
    to,
    from,
    twiml: '<Response><Say>Hello</Say></Response>',
    statusCallback: `${application.origin}/status?callId=1#rc=5&rp=5xx,ct,rt`,
    statusCallbackEvent: everyEvent,
    ...more,
  });
const callIn = (script: object[] = []) =>
  simulator.control<{ sid: string }>('inbound', { kind: 'call', from: to, to: from, script });
const callOf = async (sid: string) => {
  const call = (await simulator.control<SimulatedCall[]>('calls')).find((one) => one.sid === sid);
  if (!call) throw new Error(`no call ${sid}`);
  return call;
};
const over = (sid: string) =>
  eventually(async () => {
    const call = await callOf(sid);
    expect(call.endedAt).not.toBeNull();
    return call;
  });
const statuses = () => application.at('/status').map(({ form }) => form['CallStatus']);
const heard = (call: SimulatedCall) => call.transcript.flatMap(({ heard }) => heard ?? []);

describe('a call', () => {
  it('is queued, dialled, answered and completed, and announces each, signed and numbered', async () => {
    const call = await place();
    expect(call).toMatchObject({ status: 'queued', to, from, duration: null, price: null, direction: 'outbound-api' });
    expect((await over(call.sid)).body).toBe('Hello');
    await eventually(() => expect(statuses()).toEqual(['initiated', 'ringing', 'in-progress', 'completed']));
    const callbacks = application.at('/status');
    expect(callbacks.map(({ form }) => form['SequenceNumber'])).toEqual(['0', '1', '2', '3']);
    for (const callback of callbacks) expect(callback.signedWith(account.authToken)).toBe(true);
    expect(callbacks[3]?.form).toMatchObject({
      CallSid: call.sid,
      CallbackSource: 'call-progress-events',
      CallDuration: expect.stringMatching(/^\d+$/),
      Duration: '1',
      SipResponseCode: '200',
      Timestamp: expect.stringMatching(/\+0000$/),
    });
    await eventually(async () =>
      expect(await client.calls(call.sid).fetch()).toMatchObject({ status: 'completed', price: '-0.01400' }),
    );
    expectToFitDescription();
  });

  it('announces its end alone by default, as number 0', async () => {
    const { sid } = await place({ statusCallbackEvent: undefined });
    await over(sid);
    await eventually(() => expect(statuses()).toEqual(['completed']));
    expect(application.at('/status')[0]?.form).toMatchObject({ SequenceNumber: '0' });
  });

  it.each(['busy', 'no-answer', 'failed'])('ends %s when the plan says so', async (outcome) => {
    await simulator.faults({ calls: { callees: [{ prefix: to, outcome }] } });
    const { sid } = await place({ timeout: 5 });
    expect(await over(sid)).toMatchObject({ status: outcome, body: '' });
    expect(await client.calls(sid).fetch()).toMatchObject({ status: outcome, duration: '0' });
  });

  it.each([
    ['human', 'Enable', 'human'],
    ['machine_start', 'Enable', 'machine_start'],
    ['machine_start', 'DetectMessageEnd', 'machine_end_beep'],
  ])('answered by a %s with %s says so in the first request and at its end', async (answeredBy, detection, said) => {
    await simulator.faults({ calls: { callees: [{ prefix: to, answeredBy }] } });
    application.answer({ '/twiml': '<Say>Hello</Say>' });
    const { sid } = await place({ twiml: undefined, url: `${application.origin}/twiml`, machineDetection: detection });
    await over(sid);
    expect(application.at('/twiml')[0]?.form).toMatchObject({ AnsweredBy: said, CallStatus: 'in-progress' });
    await eventually(() => expect(application.at('/status').at(-1)?.form).toMatchObject({ AnsweredBy: said }));
    expect(await client.calls(sid).fetch()).toMatchObject({ answeredBy: said });
  });

  it('tells asynchronous detection by a callback of its own', async () => {
    const { sid } = await place({
      twiml: '<Response><Pause length="60"/></Response>',
      machineDetection: 'Enable',
      asyncAmd: 'true',
      asyncAmdStatusCallback: `${application.origin}/amd`,
    });
    await eventually(() =>
      expect(application.at('/amd')[0]?.form).toMatchObject({ CallSid: sid, AnsweredBy: 'human' }),
    );
  });

  it('waits its turn when the account places more per second than it may', async () => {
    await simulator.faults({ calls: { perSecond: 0.001 } });
    const [first, second] = [await place(), await place()];
    await over(first.sid);
    expect(await client.calls(second.sid).fetch()).toMatchObject({ status: 'queued', startTime: null });
    expectToFitDescription();
  });

  it('is refused beyond the limit of concurrent calls', async () => {
    await simulator.faults({ calls: { maxConcurrent: 1 } });
    await place({ twiml: '<Response><Pause length="600"/></Response>' });
    await expect(place()).rejects.toMatchObject({ status: 429, code: 10004 });
  });

  it('ends at its time limit', async () => {
    const { sid } = await place({ twiml: '<Response><Pause length="60"/></Response>', timeLimit: 7 });
    expect(await over(sid)).toMatchObject({ status: 'completed', seconds: 7 });
  });

  it('is canceled before it is answered, and hung up after', async () => {
    await simulator.faults({ callbacks: { delayMs: [300, 300] } });
    const early = await place();
    expect(await client.calls(early.sid).update({ status: 'canceled' })).toMatchObject({ status: 'canceled' });
    await eventually(() => expect(statuses()).toEqual(['canceled']));
    await simulator.faults({});
    const late = await place({ twiml: '<Response><Pause length="600"/></Response>' });
    await eventually(async () => expect((await callOf(late.sid)).status).toBe('in-progress'));
    await client.calls(late.sid).update({ status: 'canceled' });
    expect((await callOf(late.sid)).status).toBe('in-progress');
    await client.calls(late.sid).update({ status: 'completed' });
    expect((await over(late.sid)).status).toBe('completed');
    await expect(client.calls(late.sid).update({ twiml: '<Response/>' })).rejects.toMatchObject({ code: 21220 });
    expectToFitDescription();
  });

  it('goes on with another document when it is told to', async () => {
    const { sid } = await place({ twiml: '<Response><Pause length="600"/></Response>' });
    await eventually(async () => expect((await callOf(sid)).status).toBe('in-progress'));
    await client.calls(sid).update({ twiml: '<Response><Say>Now this</Say></Response>' });
    expect(heard(await over(sid))).toEqual(['Now this']);
  });

  it.each([
    [21217, { to: '+15005550001' }],
    [21214, { to: '+15005550002' }],
    [21215, { to: '+15005550003' }],
    [21216, { to: '+15005550004' }],
    [21211, { to: '+12' }],
    [21212, { from: '+15005550001' }],
    [21210, { from: '+14155550999' }],
    [21205, { twiml: undefined, url: 'nowhere' }],
    [21609, { statusCallback: 'nowhere' }],
    [21626, { statusCallbackEvent: ['answered', 'hung-up'] }],
  ])('is refused with %i, and not accepted', async (code, params) => {
    await expect(place(params)).rejects.toMatchObject({ status: 400, code });
    expect(await simulator.control('calls')).toEqual([]);
  });

  it('that times out after it was accepted is in the list all the same', async () => {
    await simulator.faults({ rates: { timeoutAfter: 1 }, operations: ['create'] });
    await expect(
      simulator.client({ timeoutMs: 300 }).calls.create({ to, from, twiml: '<Response/>' }),
    ).rejects.toThrow();
    expect(await client.calls.list({ to })).toHaveLength(1);
  });
});

describe('the list', () => {
  it('is newest first, by recipient, sender, status and start, in pages', async () => {
    const first = await place();
    await over(first.sid);
    const other = await place({ to: '+14156000001' });
    await over(other.sid);
    await simulator.faults({ callbacks: { delayMs: [3_600_000, 3_600_000] } });
    const waiting = await place();
    const sids = async (filter: object) => (await client.calls.list(filter)).map(({ sid }) => sid);
    expect(await sids({})).toEqual([waiting.sid, other.sid, first.sid]);
    expect(await sids({ to })).toEqual([waiting.sid, first.sid]);
    expect(await sids({ to, status: 'completed' })).toEqual([first.sid]);
    expect(await sids({ from: '+14155550101' })).toEqual([]);
    const { startTime } = await client.calls(first.sid).fetch();
    expect(await sids({ to, startTimeAfter: new Date(startTime.getTime() - 1_000) })).toEqual([first.sid]);
    expect(await sids({ startTimeBefore: new Date(startTime.getTime() - 1_000) })).toEqual([]);
    const page = await client.calls.page({ pageSize: 2 });
    expect((await page.nextPage())?.instances.map(({ sid }) => sid)).toEqual([first.sid]);
    expect(exchanges.flatMap(faultsOf).filter((fault) => !fault.includes('"date-time"'))).toEqual([]);
  });
});

describe('a person who calls in', () => {
  it('goes through menus by keys and by voice', async () => {
    application.answer({
      '/inbound': '<Gather numDigits="1" action="/menu"><Say>Press 1</Say></Gather><Say>Nothing</Say>',
      '/menu': ({ form }) =>
        form['Digits'] === '1'
          ? '<Gather input="speech" action="/speech"><Say>Say it</Say></Gather>'
          : '<Redirect>/inbound</Redirect>',
      '/speech': ({ form }) => `<Say>${form['SpeechResult']}</Say><Hangup/>`,
    });
    const { sid } = await callIn([{ press: '2' }, { press: '1#' }, { say: 'billing', confidence: 0.8 }]);
    const call = await over(sid);
    expect(call.transcript.map(({ heard, pressed, said, event }) => heard ?? pressed ?? said ?? event)).toEqual([
      'Press 1',
      '2',
      'Press 1',
      '1#',
      'Say it',
      'billing',
      'billing',
      'is hung up on',
    ]);
    expect(application.at('/inbound')[0]?.form).toMatchObject({
      CallSid: sid,
      CallStatus: 'ringing',
      Direction: 'inbound',
      From: to,
      To: from,
    });
    expect(application.at('/speech')[0]?.form).toMatchObject({ SpeechResult: 'billing', Confidence: '0.8' });
    for (const request of application.received) expect(request.signedWith(account.authToken)).toBe(true);
    await eventually(() => expect(application.at('/twilio/voice/status')[0]?.form['CallStatus']).toBe('completed'));
    expect(call.errors).toEqual([]);
  });

  it('lets a prompt time out: the next verb, or the action when it is asked for', async () => {
    application.answer({
      '/inbound':
        '<Gather action="/menu"/><Say>No input</Say><Gather action="/menu" actionOnEmptyResult="true"/><Say>Not this</Say>',
      '/menu': ({ form }) => `<Say>[${form['Digits']}]</Say>`,
    });
    const { sid } = await callIn([{ silence: true }]);
    expect(heard(await over(sid))).toEqual(['No input', '[]']);
  });

  it('sends what nobody expects as it is', async () => {
    application.answer({
      '/inbound': '<Gather input="dtmf speech" finishOnKey="" action="/menu"/>',
      '/menu': '<Say>Thanks</Say>',
    });
    const hostile = '<Response><Dial>+1900</Dial></Response>&"\'';
    await over((await callIn([{ press: hostile }])).sid);
    await over((await callIn([{ say: '👍🏽 \u202e' }])).sid);
    expect(application.at('/menu').map(({ form }) => form['Digits'] ?? form['SpeechResult'])).toEqual([
      hostile,
      '👍🏽 \u202e',
    ]);
  });

  it('is rejected', async () => {
    application.answer({ '/inbound': '<Reject reason="busy"/>' });
    expect(await over((await callIn()).sid)).toMatchObject({ status: 'busy', transcript: [] });
  });

  it('hangs up', async () => {
    application.answer({ '/inbound': '<Gather><Say>Press</Say></Gather><Say>Not heard</Say>' });
    expect(heard(await over((await callIn([{ hangup: true }])).sid))).toEqual(['Press']);
  });

  it('cannot call what nothing answers', async () => {
    await expect(
      simulator.control('inbound', { kind: 'call', from: to, to: '+14159990000', script: [] }),
    ).rejects.toThrow(/^400/);
  });
});

describe('a document that cannot be had', () => {
  const debugged = () =>
    application
      .at('/twilio/debugger')
      .map(({ form }) => (JSON.parse(form['Payload'] ?? '') as { error_code: string }).error_code);

  it.each<[number, string, object]>([
    [11200, 'HTTP 500', { status: 500 }],
    [12100, 'no XML', { body: '<Response><Say>1 < 2</Say></Response>' }],
    [12100, 'no TwiML', { body: '<html/>' }],
    [12200, 'no verb', { body: '<Response><Shout/></Response>' }],
    [12300, 'HTML', { contentType: 'text/html', body: '<Response/>' }],
    [11750, 'too long', { body: `<Response><Say>${'a'.repeat(70_000)}</Say></Response>` }],
  ])('%i: %s is told to the debugger, and the fallback is asked', async (code, _label, answer) => {
    application.answer({ '/inbound': () => answer, '/fallback': '<Say>Sorry</Say>' });
    const call = await over((await callIn()).sid);
    expect(call.errors).toMatchObject([{ code, url: `${application.origin}/inbound` }]);
    expect(heard(call)).toEqual(['Sorry']);
    expect(application.at('/fallback')[0]?.form).toMatchObject({
      ErrorCode: String(code),
      ErrorUrl: `${application.origin}/inbound`,
    });
    await eventually(() => expect(debugged()).toEqual([String(code)]));
  });

  it('and no fallback either: an apology', async () => {
    application.answer({ '/inbound': () => ({ status: 404 }), '/fallback': () => ({ status: 502 }) });
    const call = await over((await callIn()).sid);
    expect(call.errors.map(({ code }) => code)).toEqual([11200, 11200]);
    expect(heard(call)).toEqual([expect.stringContaining('application error')]);
  });

  it('11205: without a connection', async () => {
    const { sid } = await place({ twiml: undefined, url: 'http://127.0.0.1:9/twiml' });
    expect((await over(sid)).errors).toMatchObject([{ code: 11205 }]);
  });

  it('11203: not in time', async () => {
    application.answer({ '/slow': () => ({ delayMs: 1_000, body: '<Response/>' }) });
    const { sid } = await place({ twiml: undefined, url: `${application.origin}/slow#tt=200` });
    expect((await over(sid)).errors).toMatchObject([{ code: 11203 }]);
  });

  it('is asked for again as its connection overrides say, with one token', async () => {
    application.answer({ '/twiml': (_request, attempt) => (attempt < 3 ? { status: 503 } : '<Say>At last</Say>') });
    const { sid } = await place({ twiml: undefined, url: `${application.origin}/twiml#rc=3&rp=5xx` });
    const call = await over(sid);
    expect(heard(call)).toEqual(['At last']);
    expect(call.documents.map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(new Set(application.at('/twiml').map(({ token }) => token)).size).toBe(1);
  });
});

it('duplicated and late requests have the token of the first, and the call hears one document', async () => {
  await simulator.faults({ callbacks: { duplicate: 1, reorder: 1 } });
  application.answer({
    '/inbound': '<Gather numDigits="1" action="/menu"/>',
    '/menu': '<Gather numDigits="1" action="/end"/>',
    '/end': '<Say>Done</Say>',
  });
  const { sid } = await callIn([{ press: '1' }, { press: '2' }]);
  expect(heard(await over(sid))).toEqual(['Done']);
  const menu = application.at('/menu');
  expect(menu).toHaveLength(3);
  expect(new Set(menu.map(({ token }) => token)).size).toBe(1);
  const paths = application.received.map(({ path }) => path);
  expect(paths.lastIndexOf('/menu')).toBeGreaterThan(paths.indexOf('/end'));
});

describe('a recording', () => {
  const voicemail =
    '<Record action="/end" maxLength="30" recordingStatusCallback="/recording" transcribe="true" transcribeCallback="/transcription"/><Say>Nothing</Say>';

  it('of a Record is announced, transcribed, fetched, played and deleted', async () => {
    application.answer({ '/inbound': voicemail, '/end': '<Say>Thanks</Say>' });
    const { sid } = await callIn([{ say: 'Please call me back' }, { press: '#' }]);
    expect(heard(await over(sid))).toEqual(['Thanks']);
    const [announced] = await eventually(() => {
      expect(application.at('/recording')).toHaveLength(1);
      return application.at('/recording');
    });
    const recordingSid = announced?.form['RecordingSid'] ?? '';
    expect(announced?.form).toMatchObject({
      CallSid: sid,
      RecordingStatus: 'completed',
      RecordingSource: 'RecordVerb',
    });
    await eventually(() =>
      expect(application.at('/transcription')[0]?.form).toMatchObject({
        RecordingSid: recordingSid,
        TranscriptionText: 'Please call me back',
        TranscriptionStatus: 'completed',
      }),
    );
    expect(await client.recordings.list({ callSid: sid })).toMatchObject([{ sid: recordingSid, status: 'completed' }]);
    expect(await client.recordings(recordingSid).fetch()).toMatchObject({ duration: '2', price: '-0.00250' });
    const media = `${simulator.url}/2010-04-01/Accounts/${account.accountSid}/Recordings/${recordingSid}`;
    const { authorization } = simulator;
    const sound = Buffer.from(await (await fetch(`${media}.wav`, { headers: { authorization } })).arrayBuffer());
    expect(sound.subarray(0, 4).toString()).toBe('RIFF');
    const part = await fetch(media, { headers: { authorization, range: 'bytes=0-3' } });
    expect([part.status, await part.text()]).toEqual([206, 'RIFF']);
    expect((await fetch(media)).status).toBe(401);

    await client.recordings(recordingSid).remove();
    await expect(client.recordings(recordingSid).fetch()).rejects.toMatchObject({ status: 404 });
    expect((await fetch(media, { headers: { authorization } })).status).toBe(404);
    const kept = await client.recordings(recordingSid).fetch({ includeSoftDeleted: true });
    expect(kept.status).toBe('deleted');
    exchanges.splice(0, exchanges.length, ...exchanges.filter(({ path }) => path.endsWith('.json')));
    expectToFitDescription();
  });

  it('of silence is absent, and the call goes on with the next verb', async () => {
    application.answer({ '/inbound': voicemail });
    const { sid } = await callIn([{ silence: true }]);
    expect(heard(await over(sid))).toEqual(['Nothing']);
    expect(await client.recordings.list({ callSid: sid })).toMatchObject([{ status: 'absent' }]);
  });

  it('of a whole call', async () => {
    const { sid } = await place({ record: true, recordingStatusCallback: `${application.origin}/recording` });
    await over(sid);
    await eventually(() =>
      expect(application.at('/recording')[0]?.form).toMatchObject({ CallSid: sid, RecordingSource: 'OutboundAPI' }),
    );
  });
});

describe('a Dial', () => {
  it('rings a number, talks and goes on', async () => {
    await simulator.faults({ calls: { callees: [{ prefix: '+14156000001', script: [{ wait: 20 }] }] } });
    application.answer({
      '/inbound':
        '<Dial action="/after" record="record-from-answer"><Number statusCallback="/leg" statusCallbackEvent="initiated ringing answered completed">+14156000001</Number></Dial>',
      '/after': '<Say>Bye</Say>',
    });
    const { sid } = await callIn();
    expect(heard(await over(sid))).toEqual(['Bye']);
    expect(application.at('/after')[0]?.form).toMatchObject({
      DialCallStatus: 'completed',
      DialCallSid: expect.stringMatching(/^CA/),
      DialBridged: 'true',
      RecordingSid: expect.stringMatching(/^RE/),
    });
    expect(application.at('/leg').map(({ form }) => form['CallStatus'])).toEqual([
      'initiated',
      'ringing',
      'in-progress',
      'completed',
    ]);
    expect(application.at('/leg')[0]?.form).toMatchObject({ ParentCallSid: sid, Direction: 'outbound-dial' });
  });

  it.each(['busy', 'no-answer', 'failed'])('tells that the number was %s', async (outcome) => {
    await simulator.faults({ calls: { callees: [{ prefix: '+14156', outcome }] } });
    application.answer({ '/inbound': '<Dial action="/after" timeout="5">+14156000001</Dial>', '/after': '<Hangup/>' });
    await over((await callIn()).sid);
    expect(application.at('/after')[0]?.form).toMatchObject({ DialCallStatus: outcome });
  });
});

describe('a queue', () => {
  beforeEach(() =>
    application.answer({
      '/inbound': ({ form }) =>
        form['From'] === to
          ? '<Enqueue waitUrl="/wait" action="/after">support</Enqueue>'
          : '<Dial action="/agent"><Queue url="/greeting">support</Queue></Dial>',
      '/wait': '<Say>Please hold</Say>',
      '/greeting': '<Say>You are connected</Say>',
      '/after': ({ form }) => `<Say>${form['QueueResult']}</Say>`,
      '/agent': '<Hangup/>',
      '/elsewhere': '<Say>Elsewhere</Say>',
      '/leave': '<Leave/>',
    }),
  );
  const waiting = async (callSid: string) =>
    eventually(async () => {
      const [queue] = await client.queues.list();
      const members = queue ? await client.queues(queue.sid).members.list() : [];
      expect(members.map((member) => member.callSid)).toContain(callSid);
      return queue?.sid ?? '';
    });

  it('holds callers until an agent takes the first of them', async () => {
    const { sid } = await callIn();
    await waiting(sid);
    const agent = await simulator.control<{ sid: string }>('inbound', {
      kind: 'call',
      from: '+14156000009',
      to: from,
      script: [{ wait: 5 }, { hangup: true }],
    });
    const call = await over(sid);
    expect(heard(call).filter((text) => text !== 'Please hold')).toEqual(['You are connected', 'bridged']);
    expect((await over(agent.sid)).status).toBe('completed');
    expect(application.at('/after')[0]?.form).toMatchObject({ QueueResult: 'bridged', QueueSid: expect.any(String) });
    expectToFitDescription();
  });

  it('lets a caller out to a document', async () => {
    const { sid } = await callIn();
    const queue = await waiting(sid);
    expect(await client.queues(queue).members('Front').fetch()).toMatchObject({ callSid: sid, position: 1 });
    await client
      .queues(queue)
      .members(sid)
      .update({ url: `${application.origin}/elsewhere` });
    expect(heard(await over(sid)).at(-1)).toBe('Elsewhere');
    expect(await client.queues(queue).fetch()).toMatchObject({ currentSize: 0 });
    expectToFitDescription();
  });

  it('is left by a caller who hangs up', async () => {
    const { sid } = await callIn([{ wait: 10 }, { hangup: true }]);
    await waiting(sid);
    expect((await over(sid)).transcript.at(-1)).toMatchObject({ event: 'hangs up' });
    expect(await client.queues.list()).toMatchObject([{ currentSize: 0, maxSize: 1000 }]);
  });

  it('is left when the document says so', async () => {
    application.answer({
      '/inbound': '<Enqueue waitUrl="/leave" action="/after">support</Enqueue>',
      '/leave': '<Leave/>',
      '/after': ({ form }) => `<Say>${form['QueueResult']}</Say>`,
    });
    expect(heard(await over((await callIn()).sid))).toEqual(['leave']);
  });
});

describe('a conference', () => {
  it('has participants who join, are muted and held, and leave; each is announced', async () => {
    application.answer({
      '/inbound': ({ form }) =>
        `<Dial><Conference startConferenceOnEnter="${form['From'] !== to}" endConferenceOnExit="${form['From'] !== to}" statusCallback="/conference" statusCallbackEvent="start end join leave mute hold">room</Conference></Dial><Say>After</Say>`,
    });
    const guest = await callIn();
    await eventually(async () => expect(await client.conferences.list()).toMatchObject([{ status: 'init' }]));
    const host = await simulator.control<{ sid: string }>('inbound', {
      kind: 'call',
      from: '+14156000009',
      to: from,
      script: [{ wait: 60 }, { hangup: true }],
    });
    const [conference] = await eventually(async () => {
      const list = await client.conferences.list({ status: 'in-progress' });
      expect(list).toHaveLength(1);
      return list;
    });
    const participants = client.conferences(conference?.sid ?? '').participants;
    expect((await participants.list()).map(({ callSid }) => callSid).sort()).toEqual([guest.sid, host.sid].sort());
    expect(await participants(guest.sid).update({ muted: true, hold: true })).toMatchObject({
      muted: true,
      hold: true,
    });
    await over(host.sid);
    expect(heard(await over(guest.sid))).toEqual(['After']);
    await eventually(() =>
      expect(application.at('/conference').map(({ form }) => form['StatusCallbackEvent'])).toEqual([
        'participant-join',
        'participant-join',
        'conference-start',
        'participant-mute',
        'participant-hold',
        'participant-leave',
        'participant-leave',
        'conference-end',
      ]),
    );
    expect(await client.conferences(conference?.sid ?? '').fetch()).toMatchObject({
      status: 'completed',
      reasonConferenceEnded: 'participant-with-end-conference-on-exit-left',
    });
    // The description's own words say it is null while the conference runs; its schema forgets that.
    const faults = exchanges.flatMap(faultsOf);
    expect(faults.filter((fault) => !fault.includes('reason_conference_ended'))).toEqual([]);
  });
});

it('reset forgets calls, and nobody hears of them any more', async () => {
  const { sid } = await place({ twiml: '<Response><Pause length="600"/></Response>' });
  await eventually(() => expect(statuses()).toContain('in-progress'));
  await simulator.reset();
  application.clear();
  expect(await simulator.control('calls')).toEqual([]);
  const other = await place();
  await over(other.sid);
  await eventually(() => expect(statuses()).toHaveLength(4));
  expect(application.at('/status').filter(({ form }) => form['CallSid'] === sid)).toEqual([]);
});

it('a thousand callers at once are cheap, and each hears all', async () => {
  application.answer({
    '/inbound': '<Gather numDigits="1" action="/menu"><Say>Press 1</Say></Gather>',
    '/menu': '<Say>Thank you</Say>',
  });
  const calls = await Promise.all(Array.from({ length: 1_000 }, () => callIn([{ press: '1' }])));
  await eventually(
    async () => {
      const all = await simulator.control<SimulatedCall[]>('calls');
      expect(all.filter(({ endedAt }) => endedAt === null)).toHaveLength(0);
      expect(all.filter((call) => call.errors.length > 0 || heard(call).at(-1) !== 'Thank you')).toEqual([]);
      expect(all).toHaveLength(calls.length);
    },
    { timeout: 60_000 },
  );
}, 90_000);
