import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type CallbackReceiver, callbackReceiver } from '../../test/callback-receiver.ts';
import { account, type RunningSimulator, runSimulator, service } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;
let receiver: CallbackReceiver;

beforeAll(async () => {
  [simulator, receiver] = await Promise.all([runSimulator(), callbackReceiver()]);
});
afterAll(async () => {
  await simulator.stop();
  await receiver.stop();
});
beforeEach(async () => {
  await simulator.reset();
  receiver.clear();
});

interface Counters {
  pending: number;
  requests: number;
  retried: number;
  delivered: number;
  failed: number;
  duplicated: number;
  reordered: number;
  dropped: number;
}

const target = '/twilio/sms/status?messageId=0199b7f2&traceparent=00-a-b-01';
const send = (more: object = {}, overrides = '#rc=5&rp=5xx,ct,rt') =>
  simulator.client().messages.create({
    to: '+14155550199',
    from: '+14155550100',
    body: 'hello',
    statusCallback: receiver.origin + target + overrides,
    ...more,
  });
const statusesOf = (sid: string) => receiver.of(sid).map(({ status }) => status);
const counters = () => simulator.control<Counters>('callbacks');

/** All that a message will announce has been delivered, dropped or given up. */
const settled = (sid: string) =>
  eventually(async () => {
    expect((await simulator.client().messages(sid).fetch()).status).toMatch(/delivered|failed|read/);
    const counts = await counters();
    expect(counts.pending).toBe(0);
    return counts;
  });

describe('a message announces', () => {
  it('each status but its first, in order, signed, at the URL without its fragment', async () => {
    const { sid } = await send();
    await eventually(() => expect(statusesOf(sid)).toEqual(['sent', 'delivered']));
    const delivered = receiver.of(sid)[1];
    expect(delivered?.url).toBe(receiver.origin + target);
    expect(delivered?.contentType).toMatch(/^application\/x-www-form-urlencoded/);
    expect(delivered?.form).toEqual({
      AccountSid: account.accountSid,
      ApiVersion: '2010-04-01',
      From: '+14155550100',
      MessageSid: sid,
      MessageStatus: 'delivered',
      SmsSid: sid,
      SmsStatus: 'delivered',
      To: '+14155550199',
      RawDlrDoneDate: expect.stringMatching(/^\d{10}$/),
    });
    for (const callback of receiver.received) {
      expect(callback.signedWith(account.authToken)).toBe(true);
      expect(callback.signedWith('another token')).toBe(false);
    }
    expect(new Set(receiver.received.map(({ idempotencyToken }) => idempotencyToken)).size).toBe(2);
  });

  it('queued too, and its service, when it goes through one', async () => {
    const { sid } = await send({ from: undefined, messagingServiceSid: service });
    await eventually(() => expect(statusesOf(sid)).toEqual(['queued', 'sent', 'delivered']));
    for (const { form } of receiver.of(sid)) {
      expect(form).toMatchObject({ MessagingServiceSid: service, From: expect.stringMatching(/^\+1415555010[12]$/) });
    }
  });

  it('why it failed', async () => {
    await simulator.faults({ errors: [{ prefix: '+1415999', code: 30003 }] });
    const { sid } = await send({ to: '+14159990001' });
    await eventually(() => expect(statusesOf(sid)).toEqual(['sent', 'undelivered']));
    expect(receiver.of(sid)[0]?.form).not.toHaveProperty('ErrorCode');
    expect(receiver.of(sid)[1]?.form).toMatchObject({ ErrorCode: '30003' });
    expect(await simulator.client().messages(sid).fetch()).toMatchObject({ status: 'undelivered', errorCode: 30003 });
  });

  it('that it was canceled', async () => {
    const sendAt = new Date(Date.now() + 3_600_000);
    const { sid } = await send({ from: undefined, messagingServiceSid: service, scheduleType: 'fixed', sendAt });
    await simulator.client().messages(sid).update({ status: 'canceled' });
    await eventually(() => expect(statusesOf(sid)).toEqual(['canceled']));
  });
});

describe('by the plan, callbacks are', () => {
  it('duplicated: the same request twice, with one token', async () => {
    await simulator.faults({ callbacks: { duplicate: 1 } });
    const { sid } = await send();
    await eventually(() => expect(statusesOf(sid).sort()).toEqual(['delivered', 'delivered', 'sent', 'sent']));
    const sent = receiver.of(sid).filter(({ status }) => status === 'sent');
    expect(sent[0]?.form).toEqual(sent[1]?.form);
    expect(sent[0]?.idempotencyToken).toBe(sent[1]?.idempotencyToken);
    expect(await settled(sid)).toMatchObject({ duplicated: 2, delivered: 4 });
  });

  it('reordered: each is overtaken by all that follow', async () => {
    await simulator.faults({ callbacks: { reorder: 1 } });
    const { sid } = await send({ from: undefined, messagingServiceSid: service });
    await eventually(() => expect(statusesOf(sid)).toEqual(['delivered', 'sent', 'queued']));
    expect(await settled(sid)).toMatchObject({ reordered: 2, delivered: 3 });
  });

  it('dropped: polling still finds the final status', async () => {
    await simulator.faults({ callbacks: { drop: 1 } });
    const { sid } = await send();
    expect(await settled(sid)).toMatchObject({ dropped: 2, requests: 0 });
    expect(await simulator.client().messages(sid).fetch()).toMatchObject({ status: 'delivered' });
    expect(receiver.received).toEqual([]);
  });

  it('faster than the answer to the create', async () => {
    // With this seed the message is accepted at once and the answer takes 1.3 s more.
    await simulator.faults({
      latencyMs: [1500, 1500],
      operations: ['create'],
      callbacks: { delayMs: [0, 0] },
      seed: 9,
    });
    let answered = false;
    const created = send().then((message) => {
      answered = true;
      return message;
    });
    await eventually(() => expect(receiver.received.map(({ status }) => status)).toEqual(['sent', 'delivered']));
    expect(answered).toBe(false);
    expect(statusesOf((await created).sid)).toEqual(['sent', 'delivered']);
  });
});

describe('a callback answered 503', () => {
  beforeEach(() => simulator.faults({ callbacks: { delayMs: [0, 0] } }));

  it('is not tried again by default', async () => {
    receiver.answerWith(() => 503);
    const { sid } = await send({}, '');
    expect(await settled(sid)).toMatchObject({ requests: 2, failed: 2, retried: 0, delivered: 0 });
  });

  it('is tried again with rp=5xx, with the same token, until it is taken', async () => {
    await simulator.faults({
      callbacks: { delayMs: [0, 0] },
      errors: [{ prefix: '+1', code: 30001, status: 'failed' }],
    });
    receiver.answerWith((attempt) => (attempt < 3 ? 503 : 204));
    const { sid } = await send({}, '#rc=5&rp=5xx');
    await eventually(() => expect(statusesOf(sid)).toEqual(['failed', 'failed', 'failed']));
    expect(new Set(receiver.of(sid).map(({ idempotencyToken }) => idempotencyToken)).size).toBe(1);
    expect(await settled(sid)).toMatchObject({ requests: 3, retried: 2, delivered: 1, failed: 0 });
  });

  it('is given up after rc retries', async () => {
    receiver.answerWith(() => 503);
    const { sid } = await send({}, '#rc=2&rp=5xx');
    expect(await settled(sid)).toMatchObject({ requests: 6, retried: 4, failed: 2 });
  });
});

it('a target that refuses the connection is tried once more, counted, and harms nothing', async () => {
  await simulator.faults({ callbacks: { delayMs: [0, 0] } });
  const { sid } = await send({ statusCallback: 'http://127.0.0.1:9/status' });
  expect(await settled(sid)).toMatchObject({ requests: 4, retried: 2, failed: 2 });
  expect(await simulator.client().messages(sid).fetch()).toMatchObject({ status: 'delivered' });
});

it('reset forgets what was still to be announced', async () => {
  await simulator.faults({ callbacks: { delayMs: [60, 60] } });
  const { sid } = await send();
  await simulator.reset();
  await simulator.faults({ callbacks: { delayMs: [200, 200] } });
  const later = await send();
  await eventually(() => expect(statusesOf(later.sid)).toEqual(['sent', 'delivered']));
  expect(statusesOf(sid)).toEqual([]);
  expect(await counters()).toMatchObject({ requests: 2 });
});
