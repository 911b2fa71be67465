import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

/** One process that dies as by `kill -9` at each boundary of the way of an email, while the requests go on. */
describe('the way of an email, cut at every boundary', () => {
  let email: EmailSystem;
  let directory: string;
  const recipients: string[] = [];
  const keys: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'failpoints-'));
    email = await startEmailSystem({
      env: {
        NODE_ENV: 'test',
        FAILPOINTS_DIR: directory,
        PROVIDER_TIMEOUT_MS: '1500',
        ATTEMPT_LEASE_MS: '6500',
        IN_DOUBT_POLL_MS: '200',
      },
    });
  }, 120_000);
  afterAll(async () => {
    await email?.stop();
    await rm(directory, { recursive: true });
  }, 60_000);

  function requests(point: string, count = 5) {
    return Array.from({ length: count }, (_, index) => {
      const request = { idempotencyKey: `${point}-${index}`, to: `delivered+${point}-${index}@cut.example` };
      keys.push(request.idempotencyKey);
      recipients.push(request.to);
      return request;
    });
  }

  const isThere = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    );

  /** Has the next process that comes to this point die there. */
  async function dieAt(point: string, meanwhile: () => Promise<void>): Promise<void> {
    const file = path.join(directory, point);
    const pid = email.system.info.pids['email-svc'];
    await writeFile(file, '');
    await meanwhile();
    await eventually(async () => expect(await isThere(file)).toBe(false), { timeout: 30_000 });
    await eventually(() => expect(email.system.info.pids['email-svc']).not.toBe(pid), { timeout: 30_000 });
  }

  const accepted = async () => (await email.accepted()).map(({ to }) => to);

  /**
   * Until every request so far is delivered. A call that was noted, never answered and never heard of is in doubt for good: an
   * operator looks behind the provider's counter, and has sent again what is not there.
   */
  async function allDelivered(): Promise<{ resent: number }> {
    let resent = 0;
    await eventually(
      async () => {
        type Page = { emails: { emailId: string; to: string }[] };
        const { emails } = await email.api<Page>('/v1/emails?inDoubt=true&limit=200');
        const taken = new Set(await accepted());
        for (const { emailId, to } of emails) {
          if (taken.has(to)) continue;
          await email.api(`/v1/emails/${emailId}/settle`, { as: 'resend' });
          resent++;
        }
        expect(keys.filter((key) => email.stateOf(key) !== 'delivered')).toEqual([]);
      },
      { timeout: 60_000, interval: 250 },
    );
    return { resent };
  }

  async function exactlyOnce(): Promise<void> {
    expect((await accepted()).sort()).toEqual([...recipients].sort());
  }

  it.each([
    'acceptance.committed',
    'dispatch.claimed',
    'dispatch.sent',
    'dispatch.answered',
    'dispatch.settled',
    'progress.committed',
  ])(
    'loses and doubles nothing at %s, without anybody',
    async (point) => {
      await dieAt(point, () => email.publish(requests(point)));
      const { resent } = await allDelivered();
      // Whether the last bytes of a call reached SendGrid nobody can know, so this point may leave the doubt to a person.
      if (point !== 'dispatch.sent') expect(resent).toBe(0);
      await exactlyOnce();
    },
    120_000,
  );

  it('keeps to the warm-up of new IP addresses, and gives back what was claimed and never called', async () => {
    await email.api('/v1/warmup/fresh', { day: 1 }, 'PUT');
    const newsletter = (name: string, count: number) =>
      email.publish(requests(name, count).map((one) => ({ ...one, from: 'hello@news.demo.example', lane: 'bulk' })));
    await dieAt('dispatch.claimed', () => newsletter('warm', 8));
    expect((await allDelivered()).resent).toBe(0);
    await newsletter('warmer', 20);
    await allDelivered();
    await exactlyOnce();
    const fresh = (await email.accepted()).filter(({ pool }) => pool === 'fresh');
    expect(fresh).toHaveLength(10);
    const { pools } = await email.api<{ pools: { used: number; overflowed: number }[] }>('/v1/warmup');
    expect(pools).toMatchObject([{ used: 10, overflowed: 18 }]);
  }, 120_000);

  it('loses and doubles nothing between the note of a call and the call, when a person says that nothing was sent', async () => {
    await dieAt('dispatch.noted', () => email.publish(requests('noted')));
    expect((await allDelivered()).resent).toBeGreaterThan(0);
    await exactlyOnce();
  }, 120_000);

  it('answers a request again that it did not get to answer', async () => {
    const [request] = requests('acceptance.answering', 1);
    const body = { ...request, subject: 'Hello', text: 'Hello there' };
    await dieAt('acceptance.answering', async () => {
      await expect(email.api('/v1/emails', body)).rejects.toThrow();
    });
    await eventually(async () => expect(await email.api('/v1/emails', body)).toMatchObject({ repeated: true }));
    await allDelivered();
    await exactlyOnce();
  }, 120_000);

  it('waits for the event where the answer did not come', async () => {
    await email.control('faults', { rates: { timeoutAfter: 1 }, operations: ['create'] });
    await email.publish(requests('timeout-after'));
    expect(await allDelivered()).toEqual({ resent: 0 });
    await email.control('faults', {});
    await exactlyOnce();
  }, 120_000);
});
