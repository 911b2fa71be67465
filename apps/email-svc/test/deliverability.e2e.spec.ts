import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { localTenant, repository } from '@signalbox/testing/platform';
import { type DnsStub, dnsStub } from './dns-stub.ts';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

/** Of the services and of the command alike. */
const apiKey = 'SG.domains';

interface StreamBody {
  readonly stream: string;
  readonly mailboxProvider: string;
  readonly state: string;
  readonly counts: { readonly delivered: number; readonly complaints: number };
}

describe("a campaign that Gmail's readers complain of", () => {
  let names: DnsStub;
  let email: EmailSystem;
  beforeAll(async () => {
    names = await dnsStub();
    email = await startEmailSystem({
      env: {
        DELIVERABILITY_WATCH_MS: '200',
        DNS_SERVERS: names.address,
        DOMAIN_CHECK_MS: '500',
        DEMO_SENDGRID_API_KEY: apiKey,
      },
      tenant: { email: { deliverability: { enforce: true } } },
    });
    await email.control('sendgrid', { apiKey });
  }, 120_000);
  afterAll(async () => {
    await email?.stop();
    await names?.stop();
  }, 60_000);

  /** `domains.cli.js check` for the tenant file of the system. */
  async function check(): Promise<{ code: number; stdout: string; stderr: string }> {
    const { file, secrets } = localTenant(email.system.info.simulator);
    const folder = await mkdtemp(join(tmpdir(), 'domains-'));
    await writeFile(join(folder, 'tenants.yaml'), file);
    const env = {
      PATH: process.env['PATH'],
      TENANTS_FILE: join(folder, 'tenants.yaml'),
      DNS_SERVERS: names.address,
      ...secrets,
    };
    const cli = join(repository, 'apps/email-svc/dist/domains.cli.js');
    const answer = await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        [cli, 'check'],
        { env: { ...env, DEMO_SENDGRID_API_KEY: apiKey } },
        (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });
    await rm(folder, { recursive: true });
    return answer;
  }

  const streams = async () => (await email.api<{ streams: StreamBody[] }>('/v1/deliverability')).streams;
  const stateOf = async (stream: string, provider: string) =>
    (await streams()).find((one) => one.stream === stream && one.mailboxProvider === provider)?.state;
  const sent = async () => (await email.accepted()).map(({ to }) => to);
  // Five of the first thousand: 0.5 %.
  const gmail = Array.from({ length: 2_400 }, (_, index) => ({
    idempotencyKey: `gmail-${index}`,
    to: `${index % 100 === 50 && index < 500 ? 'spam' : 'delivered'}+${index}@gmail.com`,
    lane: 'bulk',
  }));
  const yahoo = Array.from({ length: 800 }, (_, index) => ({
    idempotencyKey: `yahoo-${index}`,
    to: `delivered+${index}@yahoo.com`,
    lane: 'bulk',
  }));
  const campaign = gmail.flatMap((one, index) =>
    index % 3 === 0 ? [one, ...yahoo.slice(index / 3, index / 3 + 1)] : [one],
  );

  it('is stopped there, while other providers, receipts and codes go on', async () => {
    await email.api('/v1/quotas/account', { rate: 300 }, 'PUT');
    await email.publish(campaign);
    await eventually(async () => expect(await stateOf('bulk', 'gmail')).toBe('stopped'), { timeout: 60_000 });
    const urgent = ['critical', 'transactional'].flatMap((lane) =>
      Array.from({ length: 20 }, (_, index) => ({
        idempotencyKey: `${lane}-${index}`,
        to: `delivered+${lane}-${index}@gmail.com`,
        lane,
      })),
    );
    await email.publish(urgent);
    await eventually(
      () => {
        const open = [...yahoo, ...urgent].filter(
          ({ idempotencyKey }) => email.stateOf(idempotencyKey) !== 'delivered',
        );
        expect(open).toEqual([]);
      },
      { timeout: 60_000, interval: 200 },
    );
    await email.eventsTaken();
    const before = (await sent()).filter((to) => gmail.some((one) => one.to === to)).length;
    expect(before).toBeLessThan(gmail.length);
    const waiting = gmail.filter(({ idempotencyKey }) => email.stateOf(idempotencyKey) === 'queued');
    expect(waiting).toHaveLength(gmail.length - before);
    const { emails } = await email.api<{ emails: { emailId: string }[] }>(
      `/v1/emails?idempotencyKey=${waiting.at(-1)?.idempotencyKey}`,
    );
    const story = await email.api<{ waiting: { reason: string; runbook: string } }>(`/v1/emails/${emails[0]?.emailId}`);
    expect(story.waiting).toMatchObject({
      reason: 'stream_stopped',
      runbook: 'docs/runbooks/SignalboxEmailStreamStopped.md',
    });
    const held = (await streams()).filter(({ state }) => state !== 'ok');
    expect(held).toMatchObject([{ stream: 'bulk', mailboxProvider: 'gmail' }]);
    // Whoever would have complained last may not have got it.
    expect(held[0]?.counts.complaints).toBeGreaterThanOrEqual(3);
  }, 180_000);

  it('goes on when it is lifted: nothing is lost, and nobody gets it twice', async () => {
    await email.api('/v1/quotas/account', { rate: null }, 'PUT');
    await email.api('/v1/deliverability/stops/bulk/gmail?why=cleaned', undefined, 'DELETE');
    await eventually(
      () => {
        const open = gmail.filter(
          ({ idempotencyKey, to }) =>
            email.stateOf(idempotencyKey) !== (to.startsWith('spam') ? 'complained' : 'delivered'),
        );
        expect(open.length).toBe(0);
      },
      { timeout: 60_000, interval: 200 },
    );
    const wanted = new Set(campaign.map(({ to }) => to));
    const reached = (await sent()).filter((to) => wanted.has(to));
    expect(reached).toHaveLength(campaign.length);
    expect(new Set(reached).size).toBe(campaign.length);
    expect(await stateOf('bulk', 'gmail')).toBe('ok');
  }, 120_000);

  it('comes from a domain of which it is known what is wrong with it', async () => {
    const faults = async () => {
      const { domains } = await email.api<{ domains: { domain: string; faults: { code: string }[] }[] }>(
        '/v1/deliverability',
      );
      return domains.find(({ domain }) => domain === 'demo.example')?.faults.map(({ code }) => code);
    };
    const records = { mail_cname: true, dkim1: true, dkim2: false };
    await email.control('sendgrid', { domains: [{ domain: 'demo.example', records }] });
    names.names.set('_dmarc.demo.example', ['v=DMARC1; p=none']);
    await eventually(async () => expect(await faults()).toEqual(['dkim_invalid']), { timeout: 30_000 });
    expect(await check()).toEqual({
      code: 2,
      stdout: expect.stringContaining('demo demo.example: 1 fault\n! dkim_invalid: '),
      stderr: '',
    });
    await email.control('sendgrid', { domains: [{ domain: 'demo.example' }] });
    await eventually(async () => expect(await faults()).toEqual([]), { timeout: 30_000 });
    // The subdomain is signed for by the domain above it, whose DMARC record is its own as well.
    expect(await check()).toEqual({
      code: 0,
      stdout: 'demo demo.example: 0 faults\ndemo news.demo.example: 0 faults\n',
      stderr: '',
    });
  }, 90_000);
});
