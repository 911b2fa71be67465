import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import pg from 'pg';

/** What the provider took. */
interface Sent {
  readonly to: string;
  readonly at: number;
}

/** E2E_SCALE=20 makes some seconds a few minutes, in which quiet hours begin. */
const scale = Number(process.env['E2E_SCALE'] ?? 1);
const quota = { rate: 60, burst: 30 };
const replicas = ['messaging-svc', 'messaging-svc-2'];

/** A call that has begun is not taken back: it may reach the provider so long after the opt-out is known. */
const underWayMs = 250;

const minute = 60_000;
const hour = 60 * minute;

/** When quiet hours begin in `Etc/GMT+1`, an hour after they did in UTC. `Etc/GMT+12` is far from them. */
const dusk = Math.ceil((Date.now() + 30_000) / minute) * minute;
const timeOfDay = (time: number) => new Date(time).toISOString().slice(11, 16);
const zones = { free: 'Etc/GMT+12', dusk: 'Etc/GMT+1', quiet: 'Etc/UTC' };

/** Recipients of a kind have numbers that begin alike. */
const kinds = {
  free: { prefix: '+1212', count: 150 * scale },
  bulk: { prefix: '+1305', count: 100 * scale },
  stop: { prefix: '+1415', count: 100 * scale },
  expiring: { prefix: '+1512', count: 100 * scale },
  dusk: { prefix: '+1617', count: 30 * scale },
  quiet: { prefix: '+1702', count: 30 * scale },
  exempt: { prefix: '+1808', count: 10 * scale },
};
type Kind = keyof typeof kinds;

describe('two replicas, killed again and again, with a provider that fails', () => {
  let system: TestSystem;
  let database: pg.Client;

  beforeAll(async () => {
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc'],
      replicas: { 'messaging-svc': 2 },
      tenant: { quietHours: { from: timeOfDay(dusk - hour), to: timeOfDay(dusk + 3 * hour) } },
      env: { PROVIDER_TIMEOUT_MS: '1000', ATTEMPT_LEASE_MS: '6000', IN_DOUBT_SETTLE_MS: '1000', RETRY_MAX_MS: '2000' },
    });
    database = new pg.Client({ connectionString: system.info.postgres['messaging'] });
    await database.connect();
  }, 120_000);

  afterAll(async () => {
    await database?.end();
    await system?.stop();
  }, 60_000);

  const json = { 'content-type': 'application/json' };

  /** Of whichever replica is there: the other may have been killed a moment ago. */
  async function api(method: string, path: string, body: object): Promise<void> {
    await eventually(
      async () => {
        const headers = { ...json, authorization: `Bearer ${system.info.tokens.admin}` };
        const answers = replicas.map((name) =>
          fetch(`${system.info.services[name]}/v1${path}`, { method, headers, body: JSON.stringify(body) }),
        );
        const { status } = await Promise.any(answers);
        expect(status).toBeLessThan(300);
      },
      { timeout: 20_000 },
    );
  }

  const simulator = (control: string, body: object) =>
    fetch(`${system.info.simulator}/_sim/${control}`, { method: 'POST', headers: json, body: JSON.stringify(body) });

  async function ledger(kind?: Kind): Promise<Sent[]> {
    const response = await fetch(`${system.info.simulator}/_sim/messages?limit=1000000`);
    const all = (await response.json()) as { to: string; createdAt: string }[];
    return all
      .map(({ to, createdAt }) => ({ to, at: Date.parse(createdAt) }))
      .filter(({ to }) => kind === undefined || to.startsWith(kinds[kind].prefix));
  }

  const numbers = (kind: Kind) =>
    Array.from({ length: kinds[kind].count }, (_, index) => kinds[kind].prefix + String(2_000_000 + index));

  async function send(kind: Kind, changes: (index: number) => object): Promise<void> {
    const requests = numbers(kind).map((to, index) => {
      return { idempotencyKey: to, to, body: `To ${to}`, timeZone: zones.free, ...changes(index) };
    });
    for (let from = 0; from < requests.length; from += 500) {
      await api('POST', '/messages/batch', { messages: requests.slice(from, from + 500) });
    }
  }

  async function states(kind: Kind): Promise<Record<string, number>> {
    const { rows } = await database.query<{ state: string; count: number }>(
      `select state, count(*)::int as count from messages where recipient like $1 group by state`,
      [`${kinds[kind].prefix}%`],
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  /** Nothing is to be sent, now or soon, nor is anything in doubt. */
  async function isSettled(): Promise<boolean> {
    const { rows } = await database.query(
      `select from messages
       where state in ('accepted', 'queued', 'submitting') and coalesce(due_at, now()) < now() + interval '1 minute' limit 1`,
    );
    return rows.length === 0;
  }

  const expiries = new Map<string, number>();
  const stopped = new Map<string, number>();

  it(
    'sends all there is to send, while both are killed by turns',
    async () => {
      await api('PUT', '/quotas/account', quota);
      await simulator('faults', {
        latencyMs: [5, 40],
        rates: { 429: 0.05, 500: 0.02, timeoutBefore: 0.005, timeoutAfter: 0.01 },
        callbacks: { duplicate: 0.2, reorder: 0.2 },
      });
      await send('quiet', () => ({ timeZone: zones.quiet }));
      await send('free', () => ({}));
      await send('exempt', () => ({ timeZone: zones.quiet, lane: 'critical' }));
      await send('dusk', () => ({ timeZone: zones.dusk, lane: 'bulk' }));
      await send('bulk', () => ({ lane: 'bulk' }));
      const accepted = Date.now();
      await send('expiring', (index) => {
        const expiresAt = accepted + 2_000 * scale + index * 200;
        expiries.set(numbers('expiring')[index] ?? '', expiresAt);
        return { lane: 'bulk', expiresAt: new Date(expiresAt).toISOString() };
      });
      await send('stop', () => ({ lane: 'bulk' }));

      const killing = (async () => {
        for (let kills = 0; !(await isSettled()); kills++) {
          const before = (await ledger()).length;
          // Between two kills something must have gone out, as long as there is something.
          await eventually(
            async () => expect((await isSettled()) || (await ledger()).length > before + 60).toBe(true),
            {
              timeout: 60_000,
            },
          );
          if (kills < 4 * scale) await system.kill(replicas[kills % 2] ?? '');
        }
      })();
      await eventually(async () => expect((await ledger('stop')).length).toBeGreaterThan(5 * scale), {
        timeout: 60_000 * scale,
      });
      // Said to us and not to the provider, so that nobody but us keeps these messages back.
      for (let from = 0; from < kinds.stop.count; from += 20) {
        const some = numbers('stop').slice(from, from + 20);
        await Promise.all(some.map((recipient) => api('PUT', '/suppressions', { recipient })));
        for (const recipient of some) stopped.set(recipient, Date.now());
      }
      await killing;
      await simulator('faults', {});
      await eventually(async () => expect(await isSettled()).toBe(true), { timeout: 60_000 * scale });
    },
    240_000 * scale,
  );

  it('loses nothing and doubles nothing', async () => {
    const sent = (await ledger()).map(({ to }) => to);
    expect(sent.length).toBe(new Set(sent).size);
    const must = (['free', 'bulk', 'exempt'] satisfies Kind[]).flatMap(numbers);
    expect(must.filter((to) => !sent.includes(to))).toEqual([]);
    const { rows } = await database.query<{ recipient: string }>(
      `select recipient from messages where state in ('rejected', 'expired') or due_at is not null`,
    );
    const never = new Set(rows.map(({ recipient }) => recipient));
    expect(sent.filter((to) => never.has(to))).toEqual([]);
    const all = (Object.keys(kinds) as Kind[]).flatMap(numbers);
    const known = new Set(sent);
    expect(all.filter((to) => !known.has(to) && !never.has(to))).toEqual([]);
  });

  it('keeps within one quota in every second', async () => {
    const times = (await ledger()).map(({ at }) => at).sort((a, b) => a - b);
    let [densest, first] = [0, 0];
    times.forEach((at, index) => {
      while ((times[first] ?? at) <= at - 1000) first++;
      densest = Math.max(densest, index - first + 1);
    });
    expect(densest).toBeLessThanOrEqual(quota.rate + quota.burst);
    expect(densest).toBeGreaterThan(quota.rate / 2);
  });

  it('sends nothing after an opt-out', async () => {
    const late = (await ledger('stop')).filter(({ to, at }) => at > (stopped.get(to) ?? 0) + underWayMs);
    expect(late).toEqual([]);
    const { rejected = 0 } = await states('stop');
    expect(rejected).toBeGreaterThan(0);
  });

  it('sends nothing past its expiry', async () => {
    const sent = await ledger('expiring');
    expect(sent.filter(({ to, at }) => at > (expiries.get(to) ?? 0))).toEqual([]);
    const { expired = 0 } = await states('expiring');
    expect(expired + sent.length).toBe(kinds.expiring.count);
    // Both happened, so that this says something.
    expect(Math.min(expired, sent.length)).toBeGreaterThan(0);
  });

  it('sends nothing in quiet hours but what is exempt from them', async () => {
    expect(await ledger('quiet')).toEqual([]);
    expect(await states('quiet')).toEqual({ queued: kinds.quiet.count });
    expect(await ledger('exempt')).toHaveLength(kinds.exempt.count);
    expect((await ledger('dusk')).filter(({ at }) => at >= dusk)).toEqual([]);
  });
});
