import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { verify } from 'node:crypto';
import twilio from 'twilio';
import { type CallbackReceiver, callbackReceiver } from '../../test/callback-receiver.ts';
import { account, type RunningSimulator, runSimulator, sendgridKeys } from '../../test/running-simulator.ts';
import { type WebhookKind, webhooks } from './payloads.rules.ts';
import type { WebhookAnswer } from './webhooks.ts';

let edge: CallbackReceiver;
let simulator: RunningSimulator;
beforeAll(async () => {
  edge = await callbackReceiver();
  simulator = await runSimulator({ callbacksUrl: `${edge.origin}/hooks/` });
});
beforeEach(() => edge.clear());
afterAll(async () => {
  await simulator.stop();
  await edge.stop();
});

async function post(kind: WebhookKind, params: object = {}) {
  const answer = await simulator.control<WebhookAnswer>('callbacks', { kind, params });
  const [received] = edge.received;
  if (!received) throw new Error('nothing was posted');
  return { answer, received };
}

const kinds = Object.keys(webhooks) as WebhookKind[];
const ofProvider = (provider: string) => kinds.filter((kind) => webhooks[kind].provider === provider);

it.each(ofProvider('twilio'))("%s is signed as Twilio's own library wants it", async (kind) => {
  const { answer, received } = await post(kind);
  expect(answer).toMatchObject({ kind, url: received.url, status: 204, body: '' });
  expect(answer.resourceSids.every((sid) => /^[A-Z]{2}[0-9a-f]{32}$/.test(sid))).toBe(true);
  expect(received.url).toContain('/hooks/twilio/');
  const signature = String(received.headers['x-twilio-signature']);
  const isJson = received.contentType === 'application/json';
  const check = (token: string) =>
    isJson ? twilio.validateRequestWithBody(token, signature, received.url, received.body) : received.signedWith(token);
  expect([check(account.authToken), check('another')]).toEqual([true, false]);
});

it.each(ofProvider('sendgrid'))('%s is signed with the key of the account', async (kind) => {
  const { answer, received } = await post(kind);
  expect(answer).toMatchObject({ kind, status: 204, url: received.url });
  const timestamp = String(received.headers['x-twilio-email-event-webhook-timestamp']);
  const signature = Buffer.from(String(received.headers['x-twilio-email-event-webhook-signature']), 'base64');
  const of = (text: string) => verify('sha256', Buffer.from(timestamp + text), sendgridKeys.publicKey, signature);
  expect([of(received.body), of(`${received.body} `)]).toEqual([true, false]);
});

it('says what its records are about', async () => {
  const events = await post('sendgrid.events');
  const batch = JSON.parse(events.received.body) as { sg_message_id: string; event: string }[];
  expect(batch.map(({ event }) => event)).toEqual(['processed', 'delivered', 'open', 'click']);
  expect(events.answer.resourceSids).toEqual(batch.map(({ sg_message_id }) => sg_message_id));
  edge.clear();
  const email = await post('sendgrid.inbound');
  expect(email.received.body).toContain(`Message-ID: ${email.answer.resourceSids[0]}\r\n`);
});

it('posts what it is told to, and tells how that was answered', async () => {
  edge.answerWith(() => 503);
  const { answer, received } = await post('voice.status', { CallStatus: 'busy', CallSid: 'CA1', Tags: { a: 1 } });
  expect(received.form).toMatchObject({ CallStatus: 'busy', CallSid: 'CA1', Tags: '{"a":1}', To: '+14155550199' });
  expect(answer).toMatchObject({ status: 503, resourceSids: ['CA1'] });
});

it('refuses what it cannot post', async () => {
  const refused = (body: object, by = simulator) => expect(by.control('callbacks', body)).rejects;
  await refused({ kind: 'voice.smoke' }).toThrow(/^400 /);
  await refused({ kind: 'debugger', accountSid: 'AC1' }).toThrow('There is no account AC1');
  const alone = await runSimulator();
  try {
    await refused({ kind: 'debugger' }, alone).toThrow('SIM_CALLBACKS_URL is not set');
  } finally {
    await alone.stop();
  }
});
