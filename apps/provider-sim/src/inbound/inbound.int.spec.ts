import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type CallbackReceiver, callbackReceiver } from '../../test/callback-receiver.ts';
import { account, type RunningSimulator, runSimulator, service } from '../../test/running-simulator.ts';

let simulator: RunningSimulator;
let receiver: CallbackReceiver;

beforeAll(async () => {
  receiver = await callbackReceiver();
  simulator = await runSimulator({ inboundUrl: `${receiver.origin}/twilio/sms/inbound` });
});
afterAll(async () => {
  await simulator.stop();
  await receiver.stop();
});
beforeEach(async () => {
  await simulator.reset();
  receiver.clear();
});

const person = '+14155550199';
const number = '+14155550100';
const pooled = '+14155550101';
const writeIn = (more: object) =>
  simulator.control<{ sid: string; optOut: string | null }>('inbound', {
    from: person,
    to: number,
    body: 'hi',
    ...more,
  });
const send = (params: object) => simulator.client().messages.create({ to: person, body: 'hello', ...params });

describe('an inbound message', () => {
  it('is announced with a signed webhook', async () => {
    const { sid } = await writeIn({ body: 'Where is my order?' });
    const [webhook] = await eventually(() => {
      expect(receiver.of(sid)).toHaveLength(1);
      return receiver.of(sid);
    });
    expect(webhook?.signedWith(account.authToken)).toBe(true);
    expect(webhook?.form).toMatchObject({
      MessageSid: sid,
      SmsMessageSid: sid,
      AccountSid: account.accountSid,
      From: person,
      To: number,
      Body: 'Where is my order?',
      NumMedia: '0',
      NumSegments: '1',
      SmsStatus: 'received',
      FromCity: '',
    });
    expect(webhook?.form).not.toHaveProperty('OptOutType');
    expect(webhook?.form).not.toHaveProperty('MessagingServiceSid');
  });

  it('carries media, its service and whatever else is asked for', async () => {
    const mediaUrls = ['https://example.com/a.jpg', 'https://example.com/b.jpg'];
    const { sid } = await writeIn({ to: pooled, channel: 'mms', mediaUrls, params: { ButtonText: 'Yes' } });
    await eventually(() => expect(receiver.of(sid)).toHaveLength(1));
    expect(receiver.of(sid)[0]?.form).toMatchObject({
      MessagingServiceSid: service,
      NumMedia: '2',
      MediaUrl1: mediaUrls[1],
      MediaContentType0: 'image/jpeg',
      ButtonText: 'Yes',
    });
    expect(sid).toMatch(/^MM/);
  });

  it('is in the account’s list and not among what was accepted for sending', async () => {
    const { sid } = await writeIn({});
    expect(await simulator.client().messages(sid).fetch()).toMatchObject({ direction: 'inbound', status: 'received' });
    expect(await simulator.accepted()).toEqual([]);
  });

  it('to nobody’s number is refused', async () => {
    await expect(writeIn({ to: '+14155550777' })).rejects.toThrow(/^400 /);
  });
});

describe('STOP', () => {
  it('to a number ends sends from that number only, until START', async () => {
    expect(await writeIn({ body: ' Stop ' })).toMatchObject({ optOut: 'STOP' });
    await expect(send({ from: number })).rejects.toMatchObject({ status: 400, code: 21610 });
    expect(await send({ from: pooled })).toMatchObject({ status: 'queued' });
    expect(await send({ from: number, to: '+14155550198' })).toMatchObject({ status: 'queued' });

    expect(await writeIn({ body: 'UNSTOP' })).toMatchObject({ optOut: 'START' });
    expect(await send({ from: number })).toMatchObject({ status: 'queued' });
  });

  it('to one number of a service ends sends through all of it', async () => {
    await writeIn({ to: pooled, body: 'STOP' });
    await expect(send({ messagingServiceSid: service })).rejects.toMatchObject({ code: 21610 });
    await expect(send({ from: '+14155550102' })).rejects.toMatchObject({ code: 21610 });
    expect(await send({ from: number })).toMatchObject({ status: 'queued' });
    expect(await simulator.control('opt-outs')).toMatchObject([{ scope: service, recipient: person }]);
  });

  it('is passed on as it was written; OptOutType is for Advanced Opt-Out and counts above the words', async () => {
    const plain = await writeIn({ body: 'STOP' });
    const advanced = await writeIn({ body: 'ARRETEZ', to: pooled, optOutType: 'STOP' });
    await eventually(() => expect(receiver.received).toHaveLength(2));
    expect(receiver.of(plain.sid)[0]?.form).not.toHaveProperty('OptOutType');
    expect(receiver.of(advanced.sid)[0]?.form).toMatchObject({ Body: 'ARRETEZ', OptOutType: 'STOP' });
    await expect(send({ messagingServiceSid: service })).rejects.toMatchObject({ code: 21610 });
  });

  it('with other words, or HELP, changes nothing', async () => {
    expect(await writeIn({ body: 'STOP PLEASE' })).toMatchObject({ optOut: null });
    expect(await writeIn({ body: 'HELP' })).toMatchObject({ optOut: 'HELP' });
    expect(await send({ from: number })).toMatchObject({ status: 'queued' });
  });
});

describe('WhatsApp', () => {
  const recipient = 'whatsapp:+14155550198';
  const statusOf = async (sid: string) => {
    const { status, errorCode } = await simulator.client().messages(sid).fetch();
    return { status, errorCode };
  };
  const whatsapp = (params: object) => send({ to: recipient, from: `whatsapp:${number}`, ...params });

  it('free text fails outside the session, asynchronously', async () => {
    const { sid } = await whatsapp({});
    await eventually(async () => expect(await statusOf(sid)).toEqual({ status: 'undelivered', errorCode: 63016 }));
  });

  it('a template is delivered and read', async () => {
    const { sid } = await whatsapp({
      contentSid: `HX${'0'.repeat(32)}`,
      statusCallback: `${receiver.origin}/twilio/sms/status`,
    });
    await eventually(() => expect(receiver.of(sid).map(({ status }) => status)).toEqual(['sent', 'delivered', 'read']));
    expect(receiver.of(sid)[2]?.form).toMatchObject({ ChannelPrefix: 'whatsapp', EventType: 'READ', To: recipient });
    expect(receiver.of(sid)[2]?.form).not.toHaveProperty('RawDlrDoneDate');
  });

  it('free text is delivered once the person has written in', async () => {
    await writeIn({ from: recipient, to: `whatsapp:${number}` });
    const { sid } = await whatsapp({});
    await eventually(async () => expect((await statusOf(sid)).status).toBe('read'));
  });
});
