import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Dispatcher, QuotaBook, type SendOutcome } from '@signalbox/outbound';
import { createLogger } from '@signalbox/telemetry';
import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { eventually } from '@signalbox/testing';
import { email, tenant as demo } from '../../test/builders.ts';
import { type EmailDatabase, emailDatabase } from '../../test/database.ts';
import { runEmailService, type RunningEmailService } from '../../test/running-service.ts';
import type { EmailConfig } from '../config.ts';
import { emailDispatcher } from '../dispatch/dispatcher.ts';
import { Doubts } from '../dispatch/doubts.ts';
import type { EmailProvider } from '../dispatch/email-provider.ts';
import { givenQuotas } from '../dispatch/quota-kinds.rules.ts';
import { begin, type Email } from '../email/email.ts';
import { insert } from '../email/email.store.ts';
import { failures } from '../email/failures.ts';
import type { EmailStory } from '../http/email.schemas.ts';
import { dateOf } from './warmup.rules.ts';
import type { WarmupView } from './warmup.schemas.ts';
import { readSettings } from './warmup.store.ts';

const today = () => dateOf(new Date());
const log = createLogger('spec', { level: 'silent' });

type Warmup = NonNullable<NonNullable<NonNullable<Tenant['email']>['ipPools']>[string]['warmup']>;
const plan = (changes: Partial<Warmup> = {}): Warmup => {
  return { start: today(), overflowTo: 'main', days: [20, 40, 80], perProvider: { gmail: [5, 10, 20] }, ...changes };
};

describe('dispatch through a pool that warms up, on a real Postgres', () => {
  let database: EmailDatabase;
  let tenant: Tenant;
  let sent: Email[];
  let answer: (email: Email) => Promise<SendOutcome> | SendOutcome;
  let running: { stop(): Promise<void> }[] = [];

  beforeAll(async () => (database = await emailDatabase()));
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.dataSource.query(
      'truncate emails, attempts, quotas, quota_buckets, warmup_settings, outbox cascade',
    );
    sent = [];
    answer = () => accepted();
    tenant = warming(plan());
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    running = [];
  });

  const warming = (warmup: Warmup): Tenant => ({
    ...demo,
    email: { ipPools: { main: {}, fresh: { warmup } }, pools: { default: 'fresh', lanes: {}, senders: {} } },
  });
  const accepted = (): SendOutcome => ({ kind: 'accepted', sid: randomUUID(), status: 'accepted', httpStatus: 202 });

  function replica(
    send = async (one: Email) => {
      const outcome = await answer(one);
      if (outcome.kind === 'accepted') sent.push(one);
      return outcome;
    },
    changes: Partial<EmailConfig> = {},
  ): { dispatcher: Dispatcher<Email>; quotas: QuotaBook; config: EmailConfig; tenants: TenantDirectory } {
    const config = {
      DISPATCH_CONCURRENCY: 16,
      DISPATCH_POLL_MS: 20,
      CREDENTIALS_PROBE_MS: 1_000,
      PROVIDER_TIMEOUT_MS: 100,
      ATTEMPT_LEASE_MS: 10_000,
      RETRY_BASE_MS: 5,
      RETRY_MAX_MS: 20,
      GIVE_UP_AFTER_MS: 60_000,
      IN_DOUBT_POLL_MS: 50,
      ...changes,
    } as EmailConfig;
    const tenants = { byName: () => tenant } as unknown as TenantDirectory;
    const quotas = new QuotaBook(database.transact, tenants, givenQuotas, readSettings);
    const dispatcher = emailDispatcher(
      database.transact,
      { send } as unknown as EmailProvider,
      quotas as QuotaBook,
      tenants,
      config,
      log,
    );
    dispatcher.start();
    running.push(dispatcher);
    return { dispatcher, quotas: quotas as QuotaBook, config, tenants };
  }

  async function queued(count: number, changes: (index: number) => Partial<Email>): Promise<void> {
    const at = new Date().toISOString();
    const steps = Array.from({ length: count }, (_, index) =>
      begin(
        email({
          id: randomUUID(),
          idempotencyKey: randomUUID(),
          state: 'queued',
          dueAt: at,
          createdAt: at,
          to: `p${index}@example.com`,
          lane: 'bulk',
          ...changes(index),
        }),
      ),
    );
    await database.transact((tx) => insert(tx, steps));
  }

  const through = (pool: string, emails: readonly Email[] = sent) => emails.filter((one) => one.pool?.pool === pool);
  const toGmail = (emails: readonly Email[]) => emails.filter(({ to }) => to.endsWith('@gmail.com'));
  const used = async () => {
    const rows = await database.dataSource.query<{ scope: string; used: number }[]>(
      'select scope, used from quota_buckets order by scope',
    );
    return Object.fromEntries(rows.map((row) => [row.scope, row.used]));
  };
  const isOver = (count: number) => eventually(() => expect(sent).toHaveLength(count), { timeout: 20_000 });

  it('never takes more than the plan allows, though two replicas claim at once; the old pool has the rest', async () => {
    await queued(120, (index) => (index % 3 === 0 ? { to: `p${index}@gmail.com` } : {}));
    replica();
    replica();
    await isOver(120);
    expect(new Set(sent.map(({ id }) => id)).size).toBe(120);
    expect(through('fresh')).toHaveLength(20);
    expect(toGmail(through('fresh')).length).toBeLessThanOrEqual(5);
    expect(through('main')).toHaveLength(100);
    expect(await used()).toMatchObject({ 'pool:fresh': 20, 'overflow:fresh': 100 });
    const kept = await database.dataSource.query<{ why: string; count: number }[]>(
      `select coalesce(pool #>> '{insteadOf,why}', 'fits') as why, count(*)::int as count from emails group by 1`,
    );
    expect(kept.reduce((sum, { count }) => sum + count, 0)).toBe(120);
    expect(new Map(kept.map(({ why, count }) => [why, count])).get('fits')).toBe(20);
  });

  it('counts only what was sent: what was put off or refused makes room for others', async () => {
    const tried = new Map<string, number>();
    answer = (one) => {
      const number = (tried.get(one.id) ?? 0) + 1;
      tried.set(one.id, number);
      if (one.subject === 'refused') return { kind: 'refused', error: failures.badRequest, httpStatus: 400 };
      return number <= 2
        ? { kind: 'deferred', error: failures.unanswered, httpStatus: null, retryAfterMs: null }
        : accepted();
    };
    await queued(60, (index) => (index < 15 ? { subject: 'refused' } : {}));
    replica();
    replica();
    await isOver(45);
    await eventually(async () => expect(await database.count('emails', `state in ('submitted', 'failed')`)).toBe(60));
    const fresh = through('fresh').length;
    expect(fresh).toBeLessThanOrEqual(20);
    expect(await used()).toMatchObject({ 'pool:fresh': fresh, 'overflow:fresh': 45 - fresh });
  });

  it('gives back the room of what a process claimed that died before its calls', async () => {
    await queued(30, () => ({}));
    const never = Promise.withResolvers<SendOutcome>();
    // Nothing of it reaches SendGrid, and no call is noted: as if it had died right after its claim.
    replica(() => never.promise, { DISPATCH_CONCURRENCY: 1, ATTEMPT_LEASE_MS: 600 });
    await eventually(async () => expect(await database.count('attempts', `state = 'calling'`)).toBeGreaterThan(4));
    const [dead] = running;
    await eventually(async () => expect((await used())['pool:fresh']).toBeGreaterThan(4));
    const { dispatcher, quotas, config, tenants } = replica();
    const doubts = new Doubts(database.transact, dispatcher as unknown as Dispatcher, quotas, tenants, config, log);
    doubts.start();
    running.push(doubts);
    await eventually(async () => expect(await database.count('attempts', `state = 'not_taken'`)).toBeGreaterThan(4), {
      timeout: 20_000,
    });
    never.resolve(accepted());
    await dead?.stop();
    await isOver(30);
    // Of those that the dead one gave back, some came too late for the new pool: never more than its room, and all of it is counted.
    expect(through('fresh').length).toBeLessThanOrEqual(20);
    expect(await used()).toMatchObject({ 'pool:fresh': through('fresh').length });
    await queued(20, () => ({}));
    await isOver(50);
    expect(through('fresh')).toHaveLength(20);
    expect(await used()).toMatchObject({ 'pool:fresh': 20, 'overflow:fresh': 30 });
  });

  it('lets wait what no other pool takes, but for the critical lane, and goes on when the day is raised', async () => {
    const { overflowTo: _, ...alone } = plan({ perProvider: {} });
    tenant = warming(alone);
    await queued(30, () => ({}));
    await queued(5, (index) => ({ to: `code${index}@example.com`, lane: 'critical' }));
    const { quotas } = replica();
    await isOver(25);
    await eventually(async () =>
      expect(await database.count('emails', `due_at is not null and queue = 'pool:fresh'`)).toBe(10),
    );
    expect(through('fresh')).toHaveLength(20);
    expect(sent.filter(({ pool }) => pool?.pool === null).map(({ lane }) => lane)).toEqual(Array(5).fill('critical'));
    await database.dataSource.query(
      `insert into warmup_settings values ('demo', 'fresh', $1, 2, $1, false, '{}', now())`,
      [today()],
    );
    await quotas.changed();
    await isOver(35);
    expect(through('fresh')).toHaveLength(30);
  });

  it('rejects what would expire before the pool has room again, and tells why', async () => {
    const { overflowTo: _, ...alone } = plan({ days: [1], perProvider: {} });
    tenant = warming(alone);
    const soon = new Date(Date.now() + 60_000).toISOString();
    await queued(3, () => ({ expiresAt: soon }));
    replica();
    await eventually(async () => expect(await database.count('emails', `state = 'rejected'`)).toBe(2));
    const [row] = await database.dataSource.query<{ error: { code: string } }[]>(
      `select error from emails where state = 'rejected'`,
    );
    expect(row?.error.code).toBe('warmup_full');
  });
});

describe('a warm-up plan over HTTP', () => {
  let service: RunningEmailService;
  beforeAll(async () => {
    service = await runEmailService();
    service.sendgrid.setPools(['main', 'Fresh IPs']);
    await withPlan({ overflowTo: 'main' });
  }, 60_000);
  afterAll(() => service?.stop());

  const withPlan = (changes: object) =>
    service.writeTenants({
      email: {
        ipPools: {
          main: {},
          fresh: {
            name: 'Fresh IPs',
            warmup: { start: today(), days: [4, 8, 400], perProvider: { gmail: [2, 4, 400] }, ...changes },
          },
        },
        pools: { senders: { 'news.example': 'fresh' } },
      },
    });
  const warmup = async () => (await service.api<{ pools: WarmupView[] }>('/v1/warmup')).body.pools;
  const fresh = async () => (await warmup()).find(({ pool }) => pool === 'fresh');
  const story = async (id: string) => (await service.api<EmailStory>(`/v1/emails/${id}`)).body;
  const send = async (to: string, fields: object = {}) => {
    const idempotencyKey = randomUUID();
    const request = { idempotencyKey, to, text: 'News', from: 'hello@news.example', lane: 'bulk', ...fields };
    return { idempotencyKey, id: await service.send(request) };
  };
  const poolOf = (to: string) =>
    service.sendgrid.taken.find(({ personalizations }) => personalizations.some((one) => one.to[0]?.email === to))
      ?.ip_pool_name;

  it('is kept to, and tells of itself and of each email', async () => {
    await eventually(async () => expect(await fresh()).toMatchObject({ state: 'warming', day: 1, cap: 4, used: 0 }));
    const others = await send('plain@example.com', { from: 'shop@demo.example' });
    await service.reaches(others.idempotencyKey, 'submitted');
    expect(poolOf('plain@example.com')).toBeUndefined();

    // One after the other, so that it is known which comes first.
    const ids: string[] = [];
    for (const to of [
      'g1@gmail.com',
      'g2@gmail.com',
      'g3@gmail.com',
      'o1@example.com',
      'o2@example.com',
      'o3@example.com',
    ]) {
      const { id, idempotencyKey } = await send(to);
      await service.reaches(idempotencyKey, 'submitted');
      ids.push(id);
    }
    const told = await Promise.all(ids.map(story));
    expect(told.map(({ pool }) => pool?.name)).toEqual([
      'Fresh IPs',
      'Fresh IPs',
      'main',
      'Fresh IPs',
      'Fresh IPs',
      'main',
    ]);
    expect(told.map(({ to }) => poolOf(to))).toEqual(told.map(({ pool }) => pool?.name));
    expect(told[2]?.pool?.insteadOf).toEqual({ pool: 'fresh', why: 'provider_full', cap: 2 });
    expect(told[5]?.pool?.insteadOf).toEqual({ pool: 'fresh', why: 'pool_full', cap: 4 });
    expect(await fresh()).toMatchObject({
      name: 'Fresh IPs',
      used: 4,
      perProvider: [{ provider: 'gmail', cap: 2, used: 2 }],
      tomorrow: 8,
      overflowTo: 'main',
      overflowed: 2,
      waiting: 0,
    });
    const quotas = (await service.api<{ quotas: { kind: string }[] }>('/v1/quotas')).body.quotas;
    expect(quotas.map(({ kind }) => kind)).not.toContain('pool');
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain(
      `signalbox_email_warmup_used{tenant="${service.tenant}",pool="fresh",provider="gmail"} 2`,
    );
    expect(metrics).toContain(`signalbox_email_warmup_cap{tenant="${service.tenant}",pool="fresh",provider=""} 4`);
    expect(metrics).toMatch(/signalbox_email_warmup_overflow_total{[^}]*why="pool_full"} 1/);
  }, 30_000);

  it('shares no call between pools', async () => {
    service.sendgrid.reset();
    service.sendgrid.setPools(['main', 'Fresh IPs']);
    await service.api('/v1/warmup/fresh', {
      method: 'PUT',
      body: { caps: { total: 10, perProvider: { gmail: 400 } } },
    });
    const sendAt = new Date(Date.now() + 5_000).toISOString();
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, index) => send(`t${index}@example.com`, { sendAt, text: 'together' })),
    );
    await Promise.all(all.map(({ idempotencyKey }) => service.reaches(idempotencyKey, 'submitted')));
    const sent = service.sendgrid.taken.map(({ ip_pool_name, personalizations }) => [
      ip_pool_name,
      personalizations.length,
    ]);
    const count = (pool: string) => sent.reduce((sum, [name, many]) => (name === pool ? sum + Number(many) : sum), 0);
    expect([count('Fresh IPs'), count('main')]).toEqual([6, 24]);
    expect(sent.length).toBeLessThan(15);
  }, 60_000);

  it('can be paused, resumed, set to a day, and left to the tenant file again', async () => {
    const put = async (body: object) =>
      (await service.api<WarmupView>('/v1/warmup/fresh', { method: 'PUT', body })).body;
    expect(await put({ paused: true })).toMatchObject({ state: 'paused', cap: 0 });
    const { id, idempotencyKey } = await send('paused@example.com');
    await service.reaches(idempotencyKey, 'submitted');
    expect((await story(id)).pool).toMatchObject({ name: 'main', insteadOf: { why: 'pool_full', cap: 0 } });
    expect(await put({ paused: false, day: 3, caps: null })).toMatchObject({ state: 'warming', day: 3, cap: 400 });
    const later = await send('later@example.com');
    await service.reaches(later.idempotencyKey, 'submitted');
    expect((await story(later.id)).pool).toMatchObject({ pool: 'fresh', insteadOf: null });
    const reset = await service.api<WarmupView>('/v1/warmup/fresh', { method: 'DELETE' });
    expect(reset).toMatchObject({ status: 200, body: { day: 1, cap: 4, caps: {} } });
    expect((await service.api('/v1/warmup/fresh', { method: 'DELETE' })).status).toBe(404);
  }, 30_000);

  it.each([
    ['nothing', 'fresh', {}, 400],
    ['a day before the first', 'fresh', { day: 0 }, 400],
    ['a provider that is none', 'fresh', { caps: { perProvider: { gmial: 1 } } }, 422],
    ['a pool without a plan', 'main', { paused: true }, 404],
    ['a word of the language', 'constructor', { paused: true }, 404],
  ])('refuses %s', async (_label, pool, body, status) => {
    expect((await service.api(`/v1/warmup/${pool}`, { method: 'PUT', body })).status).toBe(status);
  });

  it('holds what it has no room for where nothing takes it, and says so', async () => {
    await withPlan({ days: [1, 2], perProvider: {}, start: today() });
    await eventually(async () => expect(await fresh()).toMatchObject({ overflowTo: null, cap: 1 }));
    const { id, idempotencyKey: held } = await send('held@example.com');
    await eventually(async () => {
      expect((await story(id)).waiting).toMatchObject({
        reason: 'warm_up',
        until: expect.stringMatching(/T00:00:00/),
        runbook: 'docs/runbooks/SignalboxEmailWarmupHolds.md',
      });
    });
    await eventually(async () => expect(await fresh()).toMatchObject({ waiting: 1 }));
    const code = await send('code@example.com', { lane: 'critical' });
    await service.reaches(code.idempotencyKey, 'submitted');
    expect(poolOf('code@example.com')).toBeUndefined();
    // And goes as soon as something takes it.
    await withPlan({ days: [1, 2], perProvider: {}, overflowTo: 'main' });
    await service.reaches(held, 'submitted');
    expect(poolOf('held@example.com')).toBe('main');
  }, 60_000);

  it('holds emails for a pool that SendGrid does not have, which it would take and never send', async () => {
    await withPlan({ overflowTo: 'main' });
    service.sendgrid.setPools(['Fresh IPs']);
    await eventually(async () => expect(await fresh()).toMatchObject({ overflowTo: 'main', cap: 4 }));
    const { id, idempotencyKey } = await send('nowhere@example.com', { ipPool: 'main' });
    await eventually(async () =>
      expect(await story(id)).toMatchObject({
        waiting: { reason: 'back_off' },
        attempts: [{ error: { code: 'ip_pool_unknown' } }],
      }),
    );
    expect(poolOf('nowhere@example.com')).toBeUndefined();
    service.sendgrid.setPools(['Fresh IPs', 'main']);
    await eventually(async () => expect(service.lastOf(idempotencyKey)?.state).toBe('submitted'), { timeout: 30_000 });
    expect(poolOf('nowhere@example.com')).toBe('main');
  }, 60_000);
});
