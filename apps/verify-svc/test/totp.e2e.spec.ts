import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSystem, type TestSystem } from '@signalbox/testing/platform';
import { Secret, TOTP } from 'otpauth';
import { VerifyClient } from './system.ts';

describe('authenticators, on two replicas', () => {
  let system: TestSystem;
  let client: VerifyClient;

  beforeAll(async () => {
    system = await startSystem({ only: ['verify-svc'], replicas: { 'verify-svc': 2 } });
    client = new VerifyClient(() => system.info, '628');
  }, 120_000);
  afterAll(() => system?.stop(), 60_000);

  const codes = (secret: string) => {
    const totp = new TOTP({ secret: Secret.fromBase32(secret) });
    return { previous: totp.generate({ timestamp: Date.now() - 30_000 }), current: totp.generate() };
  };
  const start = (subject: string) =>
    client.api('/v1/verifications', { idempotencyKey: crypto.randomUUID(), channel: 'totp', subject });

  it('approve verifications of the channel totp, one per code, and Twilio hears nothing of it', async () => {
    const subject = crypto.randomUUID();
    const enrolled = await client.api('/v1/totp/factors', { subject, issuer: 'Example', account: 'a@example.com' });
    expect(enrolled.status).toBe(201);
    const { factorId, secret } = enrolled.body as unknown as { factorId: string; secret: string };
    const { previous, current } = codes(secret);
    const activated = await client.api(`/v1/totp/factors/${factorId}/verify`, { code: previous });
    expect(activated.body).toMatchObject({ approved: true, state: 'active' });

    const started = await Promise.all([start(subject), start(crypto.randomUUID())]);
    expect(started.map(({ status, body }) => [status, body.state])).toEqual([
      [201, 'pending'],
      [201, 'pending'],
    ]);
    const [mine = '', nobodys = ''] = started.map(({ body }) => body.verificationId);
    expect((await client.check(nobodys, current)).body).toMatchObject({ approved: false, checksLeft: 4 });
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, index) => client.check(mine, current, index % 2 ? 'verify-svc' : 'verify-svc-2')),
    );
    expect(answers.filter(({ body }) => body['approved'] === true)).toHaveLength(1);
    expect((await client.story(mine)).state).toBe('approved');

    const again = await start(subject);
    expect((await client.check(again.body.verificationId, current)).body).toMatchObject({ approved: false });
    const sent = (await (await fetch(`${system.info.simulator}/_sim/verifications`)).json()) as unknown[];
    expect(sent).toEqual([]);
  }, 60_000);

  it('are in the description of the API', async () => {
    const { paths } = (await client.api('/openapi.json')).body as unknown as { paths: Record<string, object> };
    const routes = Object.keys(paths).filter((path) => /totp|\/v1\/verify\//.test(path));
    expect(routes.sort()).toEqual([
      '/v1/totp/factors',
      '/v1/totp/factors/{id}',
      '/v1/totp/factors/{id}/check',
      '/v1/totp/factors/{id}/recovery-codes',
      '/v1/totp/factors/{id}/verify',
      '/v1/verify/blocks',
      '/v1/verify/blocks/{prefix}',
      '/v1/verify/prefixes',
    ]);
  });
});
