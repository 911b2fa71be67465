import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';

const person = '+14155570001';
const service = 'MG00000000000000000000000000000001';

describe('an opt-out, from the text message to the ledger of the provider', () => {
  let system: TestSystem;
  let key = 0;

  beforeAll(async () => void (system = await startSystem({ only: ['webhook-ingest', 'messaging-svc'] })), 180_000);
  afterAll(async () => system?.stop(), 60_000);

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
  const send = async (changes: object = {}) => {
    const request = { idempotencyKey: `optout-${++key}`, to: person, body: `Message ${key}`, ...changes };
    return (await api<{ messageId: string }>('POST', '/messages', request)).messageId;
  };
  const stateOf = (id: string) => api<{ state: string; error: { code: unknown } | null }>('GET', `/messages/${id}`);
  const writeIn = (body: string) =>
    fetch(`${system.info.simulator}/_sim/inbound`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ from: person, to: '+14155550100', body }),
    });
  const taken = async () => {
    const response = await fetch(`${system.info.simulator}/_sim/messages?to=${encodeURIComponent(person)}`);
    return ((await response.json()) as unknown[]).length;
  };
  const suppressed = async () => {
    const standing = await api<{ suppressed: boolean }>('GET', `/suppressions/${encodeURIComponent(person)}`);
    return standing.suppressed;
  };
  const becomes = (id: string, state: string, code: unknown = null) =>
    eventually(async () => {
      const message = await stateOf(id);
      expect([message.state, message.error?.code ?? null]).toEqual([state, code]);
    });

  it('keeps back what comes after STOP and what had been scheduled before, until START', async () => {
    await becomes(await send(), 'delivered');
    const scheduled = await send({ sendAt: new Date(Date.now() + 5_000).toISOString() });
    await writeIn(' stop ');
    await eventually(async () => expect(await suppressed()).toBe(true));
    await becomes(await send(), 'rejected', 'suppressed');
    await becomes(scheduled, 'rejected', 'suppressed');
    expect(await taken()).toBe(1);
    const inbound = await api<{ messages: object[] }>('GET', `/inbound?from=${encodeURIComponent(person)}`);
    expect(inbound.messages).toMatchObject([{ body: ' stop ', optOutType: 'STOP', inReplyTo: expect.any(String) }]);

    await writeIn('START');
    await eventually(async () => expect(await suppressed()).toBe(false));
    await becomes(await send(), 'delivered');
    expect(await taken()).toBe(2);
  }, 120_000);

  it('heals the list when the provider knows better', async () => {
    await writeIn('STOPALL');
    await eventually(async () => expect(await suppressed()).toBe(true));
    await api('DELETE', `/suppressions/${encodeURIComponent(person)}`);
    await becomes(await send(), 'failed', 21610);
    expect(await suppressed()).toBe(true);
    await becomes(await send(), 'rejected', 'suppressed');
    expect(await taken()).toBe(2);
    expect(await api('GET', '/suppressions/drift')).toMatchObject({
      refusedButNotListed: { recipients: 1, examples: [{ recipient: person, scope: service }] },
      listedButDelivered: { recipients: 0 },
    });
    const metrics = await (await fetch(`${system.info.services['messaging-svc']}/metrics`)).text();
    expect(metrics).toMatch(
      /signalbox_suppression_changes_total\{[^}]*state="opted_out"[^}]*reason="provider_refused"/,
    );
    expect(metrics).toMatch(/signalbox_messages_suppressed_total\{[^}]*stage="acceptance"/);
    expect(metrics).toMatch(/signalbox_messages_suppressed_total\{[^}]*stage="dispatch"/);
  }, 120_000);
});
