import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';

interface Sent {
  readonly to: string;
  readonly createdAt: string;
}

describe('quotas over HTTP', () => {
  let system: TestSystem;

  beforeAll(async () => (system = await startSystem({ only: ['webhook-ingest', 'messaging-svc'] })), 120_000);
  afterAll(() => system?.stop(), 60_000);

  async function api(method: string, path: string, body?: unknown, token = system.info.tokens.admin) {
    const response = await fetch(`${system.info.services['messaging-svc']}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text ? JSON.parse(text) : undefined) as Record<string, unknown> };
  }

  async function send(prefix: string, count: number, lane = 'bulk'): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => ({
      to: `${prefix}${1000 + index}`,
      body: 'Hello',
      idempotencyKey: `${prefix}-${lane}-${index}`,
      lane,
    }));
    expect((await api('POST', '/v1/messages/batch', { messages })).status).toBe(202);
  }

  async function sentTo(prefix: string): Promise<Sent[]> {
    const response = await fetch(`${system.info.simulator}/_sim/messages?limit=100000`);
    return ((await response.json()) as Sent[]).filter(({ to }) => to.startsWith(prefix));
  }

  it('holds the traffic to what is set, as the provider sees it, until the quota is taken away', async () => {
    const set = await api('PUT', '/v1/quotas/prefixes/%2B1415700', { rate: 30, burst: 10 });
    expect(set).toMatchObject({ status: 200, body: { kind: 'prefix', value: '+1415700', source: 'runtime' } });
    await send('+1415700', 120);
    await eventually(async () => expect(await sentTo('+1415700')).toHaveLength(120), { timeout: 30_000 });
    const times = (await sentTo('+1415700')).map(({ createdAt }) => Date.parse(createdAt));
    const densest = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length));
    expect(densest).toBeLessThanOrEqual(40);

    expect((await api('DELETE', '/v1/quotas/prefixes/1415700')).status).toBe(204);
    expect((await api('DELETE', '/v1/quotas/prefixes/1415700')).status).toBe(404);
    expect((await api('GET', '/v1/quotas')).body).toEqual({ quotas: [] });
  }, 60_000);

  it('keeps to a daily cap and tells how much of it is used', async () => {
    const limits = { dailyCap: 5, timeZone: 'America/Los_Angeles' };
    expect((await api('PUT', '/v1/quotas/senders/default', limits)).status).toBe(200);
    await send('+1415701', 8);
    await eventually(async () => {
      const { quotas } = (await api('GET', '/v1/quotas')).body as { quotas: object[] };
      expect(quotas).toMatchObject([{ kind: 'sender', limits, usedToday: 5 }]);
    });
    expect(await sentTo('+1415701')).toHaveLength(5);
    await api('DELETE', '/v1/quotas/senders/default');
    await eventually(async () => expect(await sentTo('+1415701')).toHaveLength(8), { timeout: 20_000 });
  }, 60_000);

  it.each<[string, string, object | undefined, number, string]>([
    ['PUT', 'account', { rate: 0 }, 400, 'a rate of nothing'],
    ['PUT', 'account', { burst: 3 }, 400, 'a burst without a rate'],
    ['PUT', 'account', { dailyCap: 5, timeZone: 'Mars/Olympus' }, 400, 'no such time zone'],
    ['PUT', 'senders/+19995550100', { rate: 1 }, 422, 'a sender of nobody'],
    ['PUT', 'prefixes/abc', { rate: 1 }, 400, 'not a prefix'],
    ['DELETE', 'account', undefined, 404, 'nothing was set'],
  ])('%s %s %j is %i: %s', async (method, path, body, status) => {
    expect((await api(method, `/v1/quotas/${path}`, body)).status).toBe(status);
  });

  it('is for admins', async () => {
    expect((await api('GET', '/v1/quotas', undefined, system.info.tokens.send)).status).toBe(403);
  });
});
