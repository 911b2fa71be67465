import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';

describe('carrier errors, from the provider’s callback to the analytics', () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startSystem({
      only: ['webhook-ingest', 'messaging-svc'],
      env: { ANALYTICS_WATCH_MS: '300', ANALYTICS_MIN_VOLUME: '20' },
    });
    await simulator({ errors: [{ prefix: '+4915199', code: 30003 }] });
  }, 180_000);
  afterAll(async () => system?.stop(), 60_000);

  async function simulator(faults: object): Promise<void> {
    await fetch(`${system.info.simulator}/_sim/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(faults),
    });
  }
  async function api<Body>(method: string, path: string, body?: object): Promise<Body> {
    const response = await fetch(`${system.info.services['messaging-svc']}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${system.info.tokens.admin}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Body;
  }
  const send = (to: string, lane = 'transactional') =>
    api<{ messageId: string }>('POST', '/messages', { idempotencyKey: `${lane} ${to}`, to, body: 'Hello', lane });

  it('tells where messages fail and why, calls it an anomaly, and blocks what looks pumped', async () => {
    const numbers = Array.from({ length: 60 }, (_, index) => `+49151990${String(10_000 + index)}`);
    await Promise.all([...numbers, '+4915112345678'].map((to) => send(to)));
    await eventually(
      async () => {
        expect(await api('GET', '/analytics/errors?by=country,prefix,carrier')).toMatchObject({
          rows: [
            {
              country: 'DE',
              prefix: '+49151',
              carrier: 'T-Mobile',
              failures: 60,
              total: 61,
              codes: [{ code: '30003', count: 60, title: 'The handset is unreachable' }],
            },
          ],
        });
        const { anomalies } = await api<{ anomalies: { kind: string; scope: object }[] }>(
          'GET',
          '/analytics/anomalies',
        );
        expect(anomalies).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ kind: 'failure_rate', scope: { country: 'DE' }, closedAt: null }),
            expect.objectContaining({ kind: 'sms_pumping', scope: { prefix: '+49151' }, closedAt: null }),
          ]),
        );
      },
      { timeout: 30_000 },
    );
    const { messageId } = await send('+4915112345679', 'bulk');
    expect(await api('GET', `/messages/${messageId}`)).toMatchObject({
      state: 'rejected',
      error: { code: 'blocked_prefix', class: 'fraud' },
    });
    const metrics = await (await fetch(`${system.info.services['messaging-svc']}/metrics`)).text();
    expect(metrics).toMatch(/signalbox_analytics_anomalies_open\{[^}]*kind="sms_pumping"[^}]*\} 1/);
  }, 60_000);

  it('erases a person on request', async () => {
    const to = '+4915112345678';
    const { messageId } = await send(to);
    expect(await api('POST', '/erasures', { recipient: to })).toMatchObject({ messages: 1, deferred: 0 });
    const story = await api<{ to: string; body: string | null }>('GET', `/messages/${messageId}`);
    expect(story).toMatchObject({ to: expect.stringMatching(/^erased:/), body: null });
  });
});
