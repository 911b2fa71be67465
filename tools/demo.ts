/**
 * The demo of `make up`, also by itself against a running system (`node tools/demo.ts`): publishes a few messages through
 * the client that product services use, shows each one's way, and checks the outcome against the simulator's ledger; then
 * has the simulator post the other kinds of callbacks, and shows where they arrive; then codes: one that is checked, an
 * authenticator, and a pumping run.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createClient } from '@signalbox/client';
import type { MessageState, MessageStateChanged } from '@signalbox/contracts';
import { maskNumber } from '@signalbox/telemetry';
import { showAuthenticator } from './demo-authenticator.ts';
import { watchCallbacks } from './demo-callbacks.ts';
import { demoDeliverability } from './demo-deliverability.ts';
import { demoEmail } from './demo-email.ts';
import { demoVerification } from './demo-verify.ts';
import { demoCall, demoCaller } from './demo-voice.ts';

interface DemoMessage {
  readonly what: string;
  readonly to: string;
  readonly body: string;
  /** How often the command is published; default 1. */
  readonly times?: number;
  readonly end: MessageState;
  readonly errorCode?: number;
  /** How many SMS the provider has to have accepted in the end. */
  readonly sent: number;
}

const carrierErrors = [{ prefix: '+1415999', code: 30003 }];
const delivered = { end: 'delivered', sent: 1 } as const;

const messages: readonly DemoMessage[] = [
  { what: 'order shipped', to: '+14155550181', body: 'Your order has shipped', ...delivered },
  { what: 'appointment', to: '+14155550182', body: 'See you tomorrow at 9:30', ...delivered },
  { what: 'not only ASCII', to: '+4915123456789', body: 'Grüße aus Köln 👋', ...delivered },
  { what: 'two segments', to: '+14155550184', body: 'A rather long text. '.repeat(12).trim(), ...delivered },
  { what: 'published 3 times', to: '+14155550185', body: 'Once is enough', times: 3, ...delivered },
  { what: 'invalid number', to: '+15005550001', body: 'Hello?', end: 'failed', errorCode: 21211, sent: 0 },
  { what: 'opted out', to: '+15005550004', body: 'Hello?', end: 'failed', errorCode: 21610, sent: 0 },
  { what: 'phone switched off', to: '+14159990186', body: 'Hello?', end: 'undelivered', errorCode: 30003, sent: 1 },
];

const patience = 60_000;
const ends: ReadonlySet<MessageState> = new Set([
  'delivered',
  'undelivered',
  'failed',
  'rejected',
  'canceled',
  'expired',
]);

const runFile = path.resolve(import.meta.dirname, '..', process.env['SIGNALBOX_LOCAL'] ?? '.local', 'run.json');
const { kafka, simulator, services, tokens } = JSON.parse(await readFile(runFile, 'utf8')) as {
  kafka: string;
  simulator: string;
  services: Record<string, string>;
  tokens: { send: string; read: string; admin: string };
};
const run = randomBytes(3).toString('hex');
const keyOf = (message: DemoMessage) => `demo-${run}-${messages.indexOf(message)}`;
const byKey = new Map(messages.map((message) => [keyOf(message), message]));
const ways = new Map<DemoMessage, MessageStateChanged[]>(messages.map((message) => [message, []]));
/** What the ledger holds from earlier demos. */
const before = new Map<DemoMessage, number>();

process.exitCode = (await demo()) ? 0 : 1;

async function demo(): Promise<boolean> {
  // Joining a consumer group takes a while, so that goes on beside the messages.
  const watching = watchCallbacks({ brokers: kafka.split(','), simulator, groupId: `demo-callbacks-${run}`, patience });
  const [messagesAreFine, callbacks] = await Promise.all([demoMessages(), watching]);
  try {
    const callbacksAreFine = report(await callbacks.show(), 'every callback in its topic');
    const verify = { verify: services['verify-svc'] ?? '', simulator, token: tokens.send };
    const verificationIsFine = report(await demoVerification(verify), 'one code sent, and right once');
    const codesAreFine = report(await showAuthenticator(verify), 'codes for people, and none for a pumping run');
    const call = { voice: services['voice-svc'] ?? '', simulator, tokens };
    const callIsFine = report(await demoCall(call), 'somebody was called, and heard it');
    const callerIsFine = report(await demoCaller(call), 'a caller was led to an agent');
    const mail = { email: services['email-svc'] ?? '', simulator, tokens, patience };
    const emailsAreFine = report(
      await demoEmail(mail),
      'an email delivered, one bounced, none to whom it bounced, no more than planned through new IPs',
    );
    const streamsAreFine = report(
      await demoDeliverability(mail),
      'a stopped stream of emails waited, and went on when it was lifted',
    );
    return (
      messagesAreFine &&
      callbacksAreFine &&
      verificationIsFine &&
      codesAreFine &&
      callIsFine &&
      callerIsFine &&
      emailsAreFine &&
      streamsAreFine
    );
  } finally {
    await callbacks.close();
  }
}

async function demoMessages(): Promise<boolean> {
  // Half of the callbacks come twice, some overtake others, and one network loses what it is given.
  await setFaults({ errors: carrierErrors, callbacks: { duplicate: 0.5, reorder: 0.3, delayMs: [30, 150] } });
  for (const message of messages) before.set(message, await ledger(message));
  const client = createClient({ tenant: 'demo', kafka: { brokers: kafka.split(',') }, clientId: 'demo' });
  const allEnded = Promise.withResolvers<void>();
  let published = Date.now();
  console.log(`demo: ${messages.length} messages, half of the callbacks doubled, some out of order; times in ms`);
  try {
    await client.onMessageEvent(
      (event) => {
        if (event.type !== 'messaging.message.state-changed.v1') return;
        const message = byKey.get(event.data.idempotencyKey);
        if (!message) return;
        ways.get(message)?.push(event.data);
        if (!ends.has(event.data.state)) return;
        show(message, published);
        if (messages.every(hasEnded)) allEnded.resolve();
      },
      { groupId: `demo-${run}`, fromBeginning: true },
    );
    published = Date.now();
    await Promise.all(
      messages.flatMap((message) =>
        Array.from({ length: message.times ?? 1 }, () =>
          client.sendMessage({ to: message.to, body: message.body, idempotencyKey: keyOf(message) }),
        ),
      ),
    );
    const timer = setTimeout(() => allEnded.resolve(), patience);
    await allEnded.promise;
    clearTimeout(timer);
  } finally {
    await client.close();
    await setFaults({});
  }
  return verify();
}

function hasEnded(message: DemoMessage): boolean {
  return ways.get(message)?.some(({ state }) => ends.has(state)) ?? false;
}

/** `order shipped   +1415•••181  accepted 40 › queued 40 › … › delivered 310`, and why it failed if it did. */
function show(message: DemoMessage, since: number): void {
  const way = ways.get(message) ?? [];
  const stations = way.map(({ state, at }) => `${state} ${Math.max(0, Date.parse(at) - since)}`);
  console.log(`  ${message.what.padEnd(19)}${maskNumber(message.to).padEnd(13)}${stations.join(' › ')}`);
  const error = way.at(-1)?.error;
  if (error) console.log(`  ${''.padEnd(19)}${error.code} ${error.title}: ${error.remedy}`);
}

async function verify(): Promise<boolean> {
  const faults: string[] = [];
  let sent = 0;
  for (const message of messages) {
    const way = ways.get(message) ?? [];
    const last = way.at(-1);
    const code = last?.error?.code;
    if (last?.state !== message.end || code !== message.errorCode)
      faults.push(`"${message.what}" is ${last?.state ?? 'not heard of'} (${code ?? 'no error'}), not ${message.end}`);
    if (way.some(({ sequence }, i) => sequence !== i + 1))
      faults.push(`"${message.what}" has gaps or repeats in its events`);
    const accepted = (await ledger(message)) - (before.get(message) ?? 0);
    sent += accepted;
    if (accepted !== message.sent) faults.push(`"${message.what}" was sent ${accepted} times, not ${message.sent}`);
  }
  const commands = messages.reduce((sum, { times = 1 }) => sum + times, 0);
  return report(
    faults,
    `${commands} commands, ${messages.length} messages, ${sent} SMS in the provider's ledger: none lost, none doubled`,
  );
}

function report(faults: readonly string[], allIsWell: string): boolean {
  for (const fault of faults) console.log(`  ✗ ${fault}`);
  console.log(faults.length > 0 ? '  why is in .local/logs/' : `  ✓ ${allIsWell}\n`);
  return faults.length === 0;
}

/** How many SMS to this recipient the provider has accepted. */
async function ledger({ to }: DemoMessage): Promise<number> {
  const response = await fetch(`${simulator}/_sim/messages?to=${encodeURIComponent(to)}`);
  return ((await response.json()) as unknown[]).length;
}

async function setFaults(plan: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${simulator}/_sim/faults`, { method: 'POST', headers, body: JSON.stringify(plan) });
  if (!response.ok)
    throw new Error(`the simulator refuses the fault plan: ${response.status} ${await response.text()}`);
}
