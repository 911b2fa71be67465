import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type DnsStub, dnsStub } from '../../test/dns-stub.ts';
import { type RunningEmailService, runEmailService, sgEvent } from '../../test/running-service.ts';
import type { DeliverabilityBody } from './deliverability.schemas.ts';

let names: DnsStub;
let service: RunningEmailService;
beforeAll(async () => {
  names = await dnsStub();
  service = await runEmailService({ DNS_SERVERS: names.address, DOMAIN_CHECK_MS: '100' });
  await service.writeTenants({ email: { deliverability: { minVolume: 10 } } });
  await eventually(async () => expect((await show()).minVolume).toBe(10));
}, 60_000);
afterAll(async () => {
  await service?.stop();
  await names?.stop();
});

const show = async () => (await service.api<DeliverabilityBody>('/v1/deliverability', { reader: true })).body;
const stream = async (provider: string, name = 'bulk') =>
  (await show()).streams.find(({ stream, mailboxProvider }) => stream === name && mailboxProvider === provider);
const story = async (id: string) =>
  (
    await service.api<{
      state: string;
      waiting: { reason: string; summary: string; until: string; runbook: string } | null;
    }>(`/v1/emails/${id}`)
  ).body;
const send = (idempotencyKey: string, to: string, lane = 'bulk') => service.send({ idempotencyKey, to, lane });
const isSent = (to: string) => service.sendgrid.recipients().includes(to);

/** So many emails that reach a provider, of which so many are complained of. */
async function deliver(name: string, domain: string, count: number, complaints: number): Promise<void> {
  const emails = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const to = `${name}-${index}@${domain}`;
      return { id: await send(`${name}-${index}`, to), to };
    }),
  );
  await Promise.all(emails.map((_email, index) => service.reaches(`${name}-${index}`, 'submitted')));
  await service.tell(emails.map((email) => sgEvent(email, 'delivered')));
  // Events of different emails overtake each other: all are to be counted before the first complaint.
  await Promise.all(emails.map((_email, index) => service.reaches(`${name}-${index}`, 'delivered')));
  await service.tell(emails.slice(0, complaints).map((email) => sgEvent(email, 'spamreport')));
  await Promise.all(
    emails.slice(0, complaints).map((_email, index) => service.reaches(`${name}-${index}`, 'complained')),
  );
}

describe('a stream that is complained of', () => {
  it('is stopped where that happened; what is urgent, and everything else, goes on', async () => {
    await deliver('first', 'gmail.com', 20, 3);
    await eventually(async () => expect((await stream('gmail'))?.state).toBe('stopped'));
    const waiting = await send('waits', 'waits@gmail.com');
    const others = [
      ['yahoo', 'y@yahoo.com', 'bulk'],
      ['receipt', 'r@gmail.com', 'transactional'],
      ['code', 'c@gmail.com', 'critical'],
    ] as const;
    for (const [key, to, lane] of others) await send(key, to, lane);
    await eventually(() => expect(others.filter(([, to]) => !isSent(to))).toEqual([]));
    expect(isSent('waits@gmail.com')).toBe(false);
    const { state, waiting: why } = await story(waiting);
    expect(state).toBe('queued');
    expect(why).toMatchObject({
      reason: 'stream_stopped',
      summary:
        'bulk email to gmail is stopped: complaints were 15 % of 20, and 0.3 % is too much; it waits until the rate is better, or the stop is lifted',
      until: expect.any(String),
      runbook: 'docs/runbooks/SignalboxEmailStreamStopped.md',
    });
  });

  it('is told of, with what was counted', async () => {
    expect(await stream('gmail')).toMatchObject({
      reason: 'complaints',
      counts: { attempted: 20, delivered: 20, complaints: 3, hardBounces: 0 },
      rates: { complaints: 0.15, bounces: 0, blocks: 0 },
      until: expect.any(String),
    });
    expect(await show()).toMatchObject({
      window: 'PT24H',
      thresholds: { complaints: { throttle: 0.001, stop: 0.003 } },
      changes: [{ stream: 'bulk', mailboxProvider: 'gmail', previous: 'ok', state: 'stopped', by: null }],
    });
    await eventually(() =>
      expect(service.restrictions).toMatchObject([
        { type: 'analytics.email-restriction.opened.v1', action: 'stopped', mailboxProvider: 'gmail', rate: 0.15 },
      ]),
    );
    const metrics = await fetch(`${service.url}/metrics`).then((response) => response.text());
    const labels = `tenant="${service.tenant}",stream="bulk",provider="gmail"`;
    expect(metrics).toContain(`signalbox_email_stream_rate{${labels},measure="complaints"} 0.15`);
    expect(metrics).toContain(`signalbox_email_streams_held_back{${labels},state="stopped"} 1`);
    const { body } = await service.api('/v1/quotas');
    expect(body['quotas']).toEqual([expect.objectContaining({ kind: 'stream', value: 'bulk@gmail' })]);
  });

  it('lets what expires meanwhile expire', async () => {
    await send('short', 'short@gmail.com').catch(() => undefined);
    await service.send({
      idempotencyKey: 'expires',
      to: 'expires@gmail.com',
      lane: 'bulk',
      expiresAt: new Date(Date.now() + 5_000).toISOString(),
    });
    await service.reaches('expires', 'expired');
    expect(isSent('expires@gmail.com')).toBe(false);
  });

  it('goes on when it is lifted, by somebody with a reason', async () => {
    const path = '/v1/deliverability/stops/bulk/gmail';
    expect((await service.api(`${path}?why=x`, { method: 'DELETE', reader: true })).status).toBe(403);
    expect((await service.api(path, { method: 'DELETE' })).status).toBe(400);
    const { status, body } = await service.api(`${path}?why=the%20list%20was%20cleaned`, { method: 'DELETE' });
    expect([status, body]).toMatchObject([200, { state: 'ok', by: 'spec', why: 'the list was cleaned' }]);
    await service.reaches('waits', 'submitted');
    await service.reaches('short', 'submitted');
    expect(service.sendgrid.recipients().filter((to) => to === 'waits@gmail.com')).toHaveLength(1);
    expect((await service.api(`${path}?why=x`, { method: 'DELETE' })).status).toBe(404);
    await eventually(() =>
      expect(service.restrictions.at(-1)).toMatchObject({
        type: 'analytics.email-restriction.closed.v1',
        closedBy: 'spec',
      }),
    );
    expect((await show()).changes[0]).toMatchObject({ previous: 'stopped', state: 'ok', by: 'spec' });
  });
});

describe('a stop by hand', () => {
  const stop = (mailboxProvider: string, reader?: true) =>
    service.api('/v1/deliverability/stops', {
      body: { stream: 'transactional', mailboxProvider, why: 'they block us' },
      ...(reader && { reader }),
    });

  it('holds what is sent there, and tells whose it is', async () => {
    expect((await stop('outlook', true)).status).toBe(403);
    expect((await stop('nobody')).status).toBe(422);
    expect((await stop('outlook')).body).toMatchObject({
      state: 'stopped',
      reason: 'operator',
      by: 'spec',
      until: null,
    });
    const id = await send('held', 'h@hotmail.com', 'transactional');
    await send('urgent', 'u@hotmail.com', 'critical');
    await eventually(() => expect(isSent('u@hotmail.com')).toBe(true));
    expect((await story(id)).waiting).toMatchObject({
      reason: 'stream_stopped',
      summary: expect.stringContaining('is stopped by spec: they block us'),
    });
    await service.api('/v1/deliverability/stops/transactional/outlook?why=settled', { method: 'DELETE' });
    await service.reaches('held', 'submitted');
  });
});

describe('the domains that emails are from', () => {
  const domain = async (name: string) => (await show()).domains.find(({ domain }) => domain === name);
  const faults = async (name: string) => (await domain(name))?.faults.map(({ code }) => code);
  const all = { mail_cname: true, dkim1: true, dkim2: true };

  it('are checked at SendGrid and in the DNS, and what is wrong is told', async () => {
    await eventually(async () => expect(await faults('demo.example')).toEqual(['not_authenticated', 'dmarc_missing']));
    service.sendgrid.setDomains([{ domain: 'demo.example', records: { ...all, dkim1: false } }]);
    names.names.set('_dmarc.demo.example', ['v=DMARC1; p=none']);
    await eventually(async () => expect(await faults('demo.example')).toEqual(['dkim_invalid']));
    expect(await domain('demo.example')).toMatchObject({ spf: 'valid', dkim: 'invalid', dmarc: { policy: 'none' } });
    const metrics = await fetch(`${service.url}/metrics`).then((response) => response.text());
    expect(metrics).toContain(
      `signalbox_email_domain_faults{tenant="${service.tenant}",domain="demo.example",fault="dkim_invalid"} 1`,
    );
    service.sendgrid.setDomains([{ domain: 'demo.example', records: all }]);
    await eventually(async () => expect(await faults('demo.example')).toEqual([]));
  });

  it('are those that something is sent from', async () => {
    names.names.set('_dmarc.news.demo.example', 'fails');
    const id = await service.send({ idempotencyKey: 'news', to: 'n@web.de', from: 'n@news.demo.example' });
    await service.reaches('news', 'submitted');
    await service.tell([sgEvent({ id, to: 'n@web.de' }, 'delivered')]);
    await eventually(async () => expect(await faults('news.demo.example')).toEqual(['dmarc_unknown']));
    expect(await domain('news.demo.example')).toMatchObject({
      sendgrid: { verdict: 'valid', domain: 'demo.example' },
      dmarc: { verdict: 'unknown', why: 'ESERVFAIL' },
    });
  });

  it('are checked at once when somebody asks', async () => {
    names.names.set('_dmarc.news.demo.example', ['v=DMARC1; p=reject']);
    const { status, body } = await service.api<{ domains: { domain: string; dmarc: object }[] }>(
      '/v1/deliverability/domains/check',
      { method: 'POST' },
    );
    expect(status).toBe(200);
    expect(body.domains.find((one) => one.domain === 'news.demo.example')?.dmarc).toMatchObject({ policy: 'reject' });
  });
});
