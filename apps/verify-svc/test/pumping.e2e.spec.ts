import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AnomalyOpened } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { type Consumer, Kafka, logLevel } from 'kafkajs';

interface Sent {
  readonly to: string;
  readonly code: string;
  readonly status: string;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Runs all, so many at a time, in order. */
async function atOnce<Item>(width: number, items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

const numbers = (first: string, count: number, step = 1) =>
  Array.from({ length: count }, (_, index) => `+${BigInt(first.slice(1)) + BigInt(index * step)}`);

describe('a pumping run', () => {
  let system: TestSystem;
  let consumer: Consumer;
  const anomalies: { type: string; data: AnomalyOpened }[] = [];

  beforeAll(async () => {
    system = await startSystem({
      only: ['webhook-ingest', 'verify-svc'],
      replicas: { 'verify-svc': 2 },
      tenant: {
        verify: {
          services: { default: { sid: 'VA00000000000000000000000000000001', friendlyName: 'Demo' } },
          limits: { coolDown: 'PT1S', tenant: { sends: 100_000, per: 'PT1H' } },
        },
      },
    });
    const kafka = new Kafka({ brokers: [system.info.kafka], clientId: 'e2e', logLevel: logLevel.NOTHING });
    consumer = kafka.consumer({ groupId: 'e2e' });
    await consumer.connect();
    await consumer.subscribe({ topic: 'events.analytics.v1', fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const type = String(message.headers?.['ce_type']);
        anomalies.push({ type, data: JSON.parse(String(message.value)) as AnomalyOpened });
      },
    });
  }, 120_000);
  afterAll(async () => {
    await consumer?.disconnect();
    await system?.stop();
  }, 60_000);

  let calls = 0;
  async function api(method: string, path: string, body?: object, token = system.info.tokens.send): Promise<Answer> {
    const replicas = [system.info.services['verify-svc'], system.info.services['verify-svc-2']];
    const response = await fetch(`${replicas[calls++ % 2]}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
  }
  const admin = (method: string, path: string, body?: object) => api(method, path, body, system.info.tokens.admin);
  const start = (to: string) => api('POST', '/v1/verifications', { idempotencyKey: `start ${to}`, to, channel: 'sms' });

  async function sent(to?: string): Promise<Sent[]> {
    const query = to === undefined ? '' : `?to=${encodeURIComponent(to)}`;
    return (await (await fetch(`${system.info.simulator}/_sim/verifications${query}`)).json()) as Sent[];
  }

  /** A user who types the code in. */
  async function verify(to: string): Promise<void> {
    const { status, body } = await start(to);
    expect([to, status]).toEqual([to, 201]);
    const [verification] = await sent(to);
    const path = `/v1/verifications/${String(body['verificationId'])}/check`;
    expect([to, (await api('POST', path, { code: verification?.code ?? 'none' })).body['approved']]).toEqual([
      to,
      true,
    ]);
  }

  it('is stopped within fifty sends, and everybody else gets a code', async () => {
    const attack = numbers('+994501201500', 1000);
    const normal = [
      ...numbers('+4915112340000', 40, 7919),
      ...numbers('+14155550100', 40, 1009),
      // In the same country, one in the same network, one in the same hundred thousand numbers.
      ...numbers('+994552000123', 40, 7919),
      ...numbers('+994503000123', 20, 7919),
      ...numbers('+994501290123', 5, 1009),
    ];
    const answers: Answer[] = [];
    await Promise.all([
      atOnce(16, attack, async (to) => void answers.push(await start(to))),
      atOnce(6, normal, verify),
    ]);
    const reached = new Map((await sent()).map((verification) => [verification.to, verification]));
    expect(attack.filter((to) => reached.has(to)).length).toBeLessThanOrEqual(50);
    expect(normal.filter((to) => reached.get(to)?.status !== 'approved')).toEqual([]);

    // The attacker sees no difference.
    const forms = answers.map(({ status, body }) => [status, body['state'], body['channel'], Object.keys(body).sort()]);
    expect(new Set(forms.map((form) => JSON.stringify(form))).size).toBe(1);

    const { body } = await admin('GET', '/v1/verify/blocks');
    const blocks = body['blocks'] as { prefix: string; madeBy: string; signs: string[] }[];
    expect(blocks.map(({ prefix }) => prefix).sort()).toEqual(['+994501201', '+994501202']);
    await eventually(() => {
      const opened = anomalies.filter(({ type }) => type === 'analytics.anomaly.opened.v1');
      expect(opened.map(({ data }) => [data.tenant, data.kind, data.scope['prefix']]).sort()).toEqual([
        ['demo', 'sms_pumping', '+994501201'],
        ['demo', 'sms_pumping', '+994501202'],
      ]);
    });
  }, 120_000);

  it('is shown to the operator: why nothing was sent, which prefixes convert, and what an administrator can do', async () => {
    const refused = await start('+994501201001');
    const id = String(refused.body['verificationId']);
    expect((await admin('GET', `/v1/verifications/${id}`)).body).toMatchObject({ refused: 'prefix_blocked' });
    expect((await api('GET', `/v1/verifications/${id}`)).status).toBe(403);
    expect((await api('GET', '/v1/verify/blocks')).status).toBe(403);
    await eventually(async () => {
      const { body } = await admin('GET', '/v1/verify/prefixes?under=%2B49');
      const prefixes = body['prefixes'] as { prefix: string; conversion: number }[];
      expect(prefixes.find(({ prefix }) => prefix === '+49')?.conversion).toBe(1);
    });

    expect((await admin('DELETE', '/v1/verify/blocks/994501201')).status).toBe(204);
    expect((await admin('DELETE', '/v1/verify/blocks/994501201')).status).toBe(404);
    await verify('+994501201002');
    await eventually(() => {
      const closed = anomalies.filter(({ type }) => type === 'analytics.anomaly.closed.v1');
      expect(closed.map(({ data }) => data.scope)).toEqual([{ prefix: '+994501201' }]);
    });
  }, 60_000);

  it('can be forestalled by hand: nothing goes to a prefix that an administrator has blocked', async () => {
    expect((await admin('PUT', '/v1/verify/blocks/+50688', { expiresAt: '2020-01-01T00:00:00Z' })).status).toBe(400);
    expect((await admin('PUT', '/v1/verify/blocks/abc', {})).status).toBe(400);
    const put = await admin('PUT', '/v1/verify/blocks/+50688', { note: 'no users there' });
    expect(put).toMatchObject({ status: 200, body: { prefix: '+50688', madeBy: 'admin', expiresAt: null } });
    expect((await start('+50688881234')).status).toBe(201);
    expect(await sent('+50688881234')).toEqual([]);
    expect((await admin('DELETE', '/v1/verify/blocks/+50688')).status).toBe(204);
    await verify('+50688885678');
    const { body } = await admin('GET', '/v1/verify/blocks');
    expect(body['ended']).toMatchObject([{ prefix: '+50688', endedBy: 'admin', note: 'no users there' }, {}]);
  }, 60_000);
});
