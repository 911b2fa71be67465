import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SendgridApiError, type SendgridClient, SendgridTransportError } from '@signalbox/sendgrid';
import { eventually } from '@signalbox/testing';
import { verify } from 'node:crypto';
import { inspect } from 'node:util';
import { type CallbackReceiver, callbackReceiver } from '../../test/callback-receiver.ts';
import { account, type RunningSimulator, runSimulator, sendgridKeys } from '../../test/running-simulator.ts';

let edge: CallbackReceiver;
let simulator: RunningSimulator;
let client: SendgridClient;
beforeAll(async () => {
  edge = await callbackReceiver();
  simulator = await runSimulator({ callbacksUrl: edge.origin });
  client = simulator.sendgrid();
});
afterEach(async () => {
  await simulator.reset();
  edge.clear();
});
afterAll(async () => {
  await simulator.stop();
  await edge.stop();
});

interface AcceptedEmail {
  readonly sid: string;
  readonly to: string;
  readonly from: string;
  readonly body: string;
  readonly subject: string;
  readonly status: string;
  readonly customArgs: Record<string, string>;
}

type Event = Record<string, unknown>;

const accepted = (to?: string) =>
  simulator.control<AcceptedEmail[]>(`emails${to ? `?to=${encodeURIComponent(to)}` : ''}`);
const events = () => edge.received.flatMap(({ body }) => JSON.parse(body) as Event[]);
/** A post that was under way at a reset still arrives: whoever looks at events has an address of its own. */
const eventsOf = (email: string) => events().filter((event) => event['email'] === email);
const namesOf = (email: string) => eventsOf(email).map(({ event }) => event);

const mail = (to: string, changes: object = {}) => ({
  from: 'shop@demo.example',
  subject: 'Hello',
  text: 'Hello there',
  personalizations: [{ to, customArgs: { sb_message_id: `id of ${to}` } }],
  ...changes,
});
const statusOf = (call: Promise<unknown>) =>
  call.then(
    () => 202,
    (error: unknown) => (error instanceof SendgridApiError ? error.status : String(error)),
  );

describe('mail/send, as the official SDK calls it', () => {
  it('accepts a batch, each recipient an email of its own', async () => {
    const personalizations = ['a@example.com', 'b@example.com'].map((to, index) => ({
      to,
      customArgs: { sb_message_id: String(index) },
    }));
    const messageId = await client.send({ ...mail(''), personalizations });
    const emails = await accepted();
    expect(emails).toEqual(
      personalizations.map(({ to, customArgs }) =>
        expect.objectContaining({ to, customArgs, from: 'shop@demo.example', subject: 'Hello', body: 'Hello there' }),
      ),
    );
    for (const { sid } of emails) expect(sid.startsWith(`${messageId}.recvd-`)).toBe(true);
    expect(await accepted('b@example.com')).toHaveLength(1);
  });

  it('posts signed batches of events that carry the custom arguments', async () => {
    await client.send(mail('signed@example.com'));
    await eventually(() => expect(namesOf('signed@example.com')).toEqual(['processed', 'delivered']));
    const [email] = await accepted();
    const messageId = email?.sid.split('.')[0];
    expect(eventsOf('signed@example.com')[1]).toMatchObject({
      sb_message_id: 'id of signed@example.com',
      sg_message_id: email?.sid,
      'smtp-id': `<${messageId}@geopod-ismtpd-1>`,
    });
    expect(email?.status).toBe('delivered');
    for (const { headers, body } of edge.received) {
      const timestamp = String(headers['x-twilio-email-event-webhook-timestamp']);
      const signature = Buffer.from(String(headers['x-twilio-email-event-webhook-signature']), 'base64');
      expect(verify('sha256', Buffer.from(timestamp + body), sendgridKeys.publicKey, signature)).toBe(true);
    }
  });

  it.each([
    ['hard-bounce@example.com', ['processed', 'bounce'], { type: 'bounce', status: '5.1.1' }],
    ['blocked+1@example.com', ['processed', 'bounce'], { type: 'blocked' }],
    ['soft-bounce@example.com', ['processed', 'deferred', 'bounce'], { type: 'bounce', status: '4.2.2' }],
    ['deferred@example.com', ['processed', 'deferred', 'deferred', 'delivered'], { response: '250 2.0.0 OK' }],
    ['dropped@example.com', ['dropped'], { reason: 'Invalid' }],
    ['machine-open@example.com', ['processed', 'delivered', 'open'], { sg_machine_open: true }],
    ['spam@example.com', ['processed', 'delivered', 'spamreport'], {}],
  ])('%s ends as its name says', async (to, names, last) => {
    await client.send(mail(to));
    await eventually(() => expect(namesOf(to)).toEqual(names));
    expect(eventsOf(to).at(-1)).toMatchObject(last);
  });

  it('reports a late bounce without its own id', async () => {
    await client.send(mail('late-bounce@example.com'));
    await eventually(() => expect(namesOf('late-bounce@example.com')).toEqual(['processed', 'delivered', 'bounce']));
    const bounce = eventsOf('late-bounce@example.com').at(-1) ?? {};
    expect(Object.keys(bounce)).not.toContain('sg_message_id');
    expect(bounce['smtp-id']).toMatch(/^<.+@/);
  });

  it('drops what goes to somebody it has listed, and lets go of whom is taken off the list', async () => {
    await client.send(mail('hard-bounce@example.com'));
    await eventually(() => expect(namesOf('hard-bounce@example.com')).toEqual(['processed', 'bounce']));
    await client.send(mail('hard-bounce@example.com'));
    await eventually(() =>
      expect(eventsOf('hard-bounce@example.com').at(-1)).toMatchObject({ event: 'dropped', reason: 'Bounced Address' }),
    );
    const list = await client.call<Event[]>({ method: 'GET', path: '/v3/suppression/bounces' });
    expect(list).toEqual([
      { email: 'hard-bounce@example.com', created: expect.any(Number), reason: expect.any(String), status: '5.1.1' },
    ]);
    await client.call({ method: 'DELETE', path: '/v3/suppression/bounces/hard-bounce@example.com' });
    expect(await client.call({ method: 'GET', path: '/v3/suppression/bounces' })).toEqual([]);
  });

  it('doubles, shuffles and loses events as the plan says, and tries again until there is an answer', async () => {
    edge.answerWith((attempt) => (attempt === 1 ? 503 : 204));
    await simulator.faults({ callbacks: { duplicate: 1, reorder: 0.5, withoutArgs: 1, delayMs: [0, 10] }, seed: 3 });
    await client.send(mail('doubled@example.com'));
    await eventually(async () => {
      expect(await simulator.control('email-events')).toMatchObject({ pending: 0, duplicated: 2, retried: 1 });
    });
    const delivered = eventsOf('doubled@example.com').filter(({ event }) => event === 'delivered');
    expect(delivered.length).toBeGreaterThanOrEqual(2);
    expect(delivered.every((event) => !('sb_message_id' in event))).toBe(true);
  });

  it.each([
    ['an unknown key', () => statusOf(simulator.sendgrid({ apiKey: 'SG.other' }).send(mail('a@example.com'))), 401],
    [
      'a revoked key',
      async () => {
        await simulator.control('sendgrid', { revoked: true });
        return statusOf(client.send(mail('a@example.com')));
      },
      401,
    ],
    [
      'a key that may not send',
      async () => {
        await simulator.control('sendgrid', { scopes: ['templates.read'] });
        return statusOf(client.send(mail('a@example.com')));
      },
      403,
    ],
    ['an address that is none', () => statusOf(client.send(mail('nobody'))), 400],
    [
      'more than 30 MB',
      () => {
        const attachments = [{ filename: 'a.bin', content: 'A'.repeat(31 * 1024 * 1024) }];
        return statusOf(client.send(mail('a@example.com', { attachments })));
      },
      413,
    ],
  ])('refuses %s', async (_label, call, status) => {
    expect(await call()).toBe(status);
    expect(await accepted()).toEqual([]);
  });

  it('says when the window of a 429 ends', async () => {
    await simulator.faults({ rates: { '429': 1 }, retryAfterSeconds: 30 });
    const refused = await client.send(mail('a@example.com')).catch((error: unknown) => error as SendgridApiError);
    expect(refused).toMatchObject({ status: 429, faults: [{ message: 'too many requests' }] });
    const wait = (refused as SendgridApiError).retryAfterMs ?? 0;
    expect(wait).toBeGreaterThan(28_000);
    expect(wait).toBeLessThanOrEqual(31_000);
  });

  it.each([
    ['timeoutBefore', 0],
    ['timeoutAfter', 1],
  ])('%s leaves the caller in doubt, with %i accepted', async (fault, count) => {
    await simulator.faults({ rates: { [fault]: 1 } });
    const call = simulator.sendgrid({ timeoutMs: 200 }).send(mail('a@example.com'));
    await expect(call).rejects.toMatchObject({ outcome: 'in_doubt' });
    await expect(call).rejects.toBeInstanceOf(SendgridTransportError);
    const told = inspect(await call.catch((error: unknown) => error), { depth: 10 });
    expect([told.includes(account.sendgridApiKey), told.includes('a@example.com')]).toEqual([false, false]);
    expect(await accepted()).toHaveLength(count);
  });
});

describe('the resources behind it', () => {
  it('keeps templates with one active version, and fills it for an email', async () => {
    const { id } = await client.call<{ id: string }>({
      method: 'POST',
      path: '/v3/templates',
      body: { name: 'shipped', generation: 'dynamic' },
    });
    const version = (name: string, subject: string, active: number) =>
      client.call<{ id: string; active: number }>({
        method: 'POST',
        path: `/v3/templates/${id}/versions`,
        body: { name, subject, html_content: '<p>Hello {{name}}</p>', active },
      });
    expect(await statusOf(client.send(mail('a@example.com', { templateId: id })))).toBe(400);
    const first = await version('v1', 'Order {{order.id}}', 0);
    await version('v2', 'Other', 0);
    expect(first.active).toBe(1);
    const personalizations = [{ to: 'a@example.com', dynamicTemplateData: { name: 'Ada', order: { id: 42 } } }];
    await client.send({ from: 'shop@demo.example', templateId: id, personalizations });
    expect(await accepted()).toMatchObject([{ subject: 'Order 42', body: 'Hello Ada' }]);
    const list = await client.call({ method: 'GET', path: '/v3/templates?generations=dynamic&page_size=10' });
    expect(list).toMatchObject({ result: [{ id, versions: [{ active: 1 }, { active: 0 }] }] });
  });

  it('keeps groups with those who left them', async () => {
    const { id } = await client.call<{ id: number }>({
      method: 'POST',
      path: '/v3/asm/groups',
      body: { name: 'News' },
    });
    const path = `/v3/asm/groups/${id}/suppressions`;
    await client.call({ method: 'POST', path, body: { recipient_emails: ['left@example.com', 'b@example.com'] } });
    await client.call({ method: 'DELETE', path: `${path}/b@example.com` });
    expect(await client.call({ method: 'GET', path })).toEqual(['left@example.com']);
    expect(await client.call({ method: 'GET', path: '/v3/asm/groups' })).toMatchObject([{ id, unsubscribes: 1 }]);
    await client.send(mail('left@example.com', { asm: { groupId: id } }));
    await eventually(() => expect(namesOf('left@example.com')).toEqual(['dropped']));
  });

  it('validates domains by their records', async () => {
    const records = { mail_cname: true, dkim1: false, dkim2: true };
    await simulator.control('sendgrid', { domains: [{ domain: 'demo.example', valid: true, records }] });
    const [domain] = await client.call<{ id: number }[]>({ method: 'GET', path: '/v3/whitelabel/domains' });
    const verdict = await client.call({ method: 'POST', path: `/v3/whitelabel/domains/${domain?.id}/validate` });
    expect(verdict).toMatchObject({
      valid: false,
      validation_results: { mail_cname: { valid: true, reason: null }, dkim1: { valid: false } },
    });
    const named = (name: string) => client.call({ method: 'GET', path: `/v3/whitelabel/domains?domain=${name}` });
    expect([await named('demo.example'), await named('other.example')]).toMatchObject([[{ id: domain?.id }], []]);
  });

  it('has IP pools, and takes what is for another one without ever sending it', async () => {
    const pools = () => client.call({ method: 'GET', path: '/v3/ips/pools' });
    await client.call({ method: 'POST', path: '/v3/ips/pools', body: { name: 'fresh' } });
    expect(await pools()).toEqual([{ name: 'fresh' }]);
    expect(await statusOf(client.send(mail('known@example.com', { ipPoolName: 'fresh' })))).toBe(202);
    expect(await statusOf(client.send(mail('unknown@example.com', { ipPoolName: 'frehs' })))).toBe(202);
    await eventually(() => expect(namesOf('known@example.com')).toEqual(['processed', 'delivered']));
    expect(eventsOf('known@example.com')[0]).toMatchObject({ pool: { name: 'fresh' } });
    expect(await accepted()).toMatchObject([
      { pool: 'fresh', status: 'delivered' },
      { pool: 'frehs', status: 'never_sent' },
    ]);
    expect(namesOf('unknown@example.com')).toEqual([]);
    await client.call({ method: 'DELETE', path: '/v3/ips/pools/fresh' });
    expect(await pools()).toEqual([]);
    const again = client.call({ method: 'DELETE', path: '/v3/ips/pools/fresh' });
    expect(await statusOf(again)).toBe(404);
    await simulator.control('sendgrid', { scopes: ['mail.send'] });
    expect(await statusOf(pools())).toBe(403);
  });

  it('tells the scopes of a key', async () => {
    await simulator.control('sendgrid', { scopes: ['mail.send'] });
    expect(await client.call({ method: 'GET', path: '/v3/scopes' })).toEqual({ scopes: ['mail.send'] });
    expect(await statusOf(client.call({ method: 'GET', path: '/v3/suppression/bounces' }))).toBe(403);
  });

  it('takes another key at once', async () => {
    await simulator.control('sendgrid', { apiKey: 'SG.new' });
    expect(await statusOf(client.send(mail('a@example.com')))).toBe(401);
    expect(await statusOf(simulator.sendgrid({ apiKey: 'SG.new' }).send(mail('a@example.com')))).toBe(202);
    expect(account.sendgridApiKey).not.toBe('SG.new');
  });
});
