import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { VerifyClient } from './system.ts';

const sid = 'VA00000000000000000000000000000001';

describe('a tenant that does not wait long for a delivery, and hears of none', () => {
  let system: TestSystem;
  const client = new VerifyClient(() => system.info, '503');

  beforeAll(async () => {
    const verify = { services: { default: { sid, friendlyName: 'Demo' } }, channels: { silence: 'PT1S' } };
    system = await startSystem({ only: ['verify-svc'], tenant: { verify }, env: { DUE_POLL_MS: '100' } });
  }, 120_000);

  afterAll(async () => {
    await system?.stop();
  }, 60_000);

  it('calls when the SMS was not delivered, as the list of attempts tells', async () => {
    const to = client.number();
    await client.control('faults', {
      errors: [{ prefix: to, channels: ['sms'], code: 30003 }],
      callbacks: { drop: 1 },
    });
    const { verificationId: id } = (await client.start(to)).body;
    await eventually(
      async () =>
        expect((await client.story(id)).attempts).toMatchObject([
          { channel: 'sms', state: 'accepted', delivery: null },
          { channel: 'call', why: 'undelivered', state: 'accepted' },
        ]),
      { timeout: 20_000 },
    );
    expect(await client.check(id, await client.codeFor(to))).toMatchObject({ body: { approved: true } });
  }, 40_000);

  it('calls when nobody knows, and does not when it was delivered', async () => {
    await client.control('faults', { callbacks: { drop: 1 } });
    const delivered = client.number();
    const { verificationId: heard } = (await client.start(delivered)).body;
    await eventually(async () =>
      expect((await client.atProvider(delivered))[0]?.attempts).toMatchObject([{ status: 'delivered' }]),
    );
    await client.control('faults', { callbacks: { drop: 1, delayMs: [60_000, 60_000] } });
    const slow = client.number();
    const { verificationId: late } = (await client.start(slow)).body;
    await eventually(
      async () =>
        expect((await client.story(late)).attempts).toMatchObject([
          { channel: 'sms' },
          { channel: 'call', why: 'silence', state: 'accepted' },
        ]),
      { timeout: 20_000 },
    );
    // By now it was asked about as well, for it was sent before.
    expect((await client.story(heard)).attempts).toHaveLength(1);
  }, 40_000);
});
