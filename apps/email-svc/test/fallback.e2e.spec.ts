import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

let email: EmailSystem;
beforeAll(async () => {
  email = await startEmailSystem({
    only: ['webhook-ingest', 'messaging-svc', 'email-svc'],
    env: { FALLBACK_POLL_MS: '200' },
  });
}, 120_000);
afterAll(() => email?.stop(), 60_000);

it('a message that cannot be delivered goes on as an email, which knows what it stands in for', async () => {
  const { services, tokens } = email.system.info;
  const response = await fetch(`${services['messaging-svc']}/v1/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.send}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      idempotencyKey: 'with-fallback',
      // Twilio's magic number that is refused as invalid.
      to: '+15005550001',
      body: 'Your order has shipped.\nIt will be there on Friday.',
      fallback: [{ channel: 'email', to: 'Ada@Example.com' }],
      metadata: { orderId: '42' },
    }),
  });
  expect(response.status).toBe(202);
  const { messageId } = (await response.json()) as { messageId: string };
  const key = `${messageId}:fallback:1`;
  await eventually(() => expect(email.stateOf(key)).toBe('delivered'), { timeout: 60_000 });
  expect(email.moves.get(key)?.at(-1)).toMatchObject({ correlationId: messageId, metadata: { orderId: '42' } });
  expect(await email.accepted()).toEqual([
    expect.objectContaining({
      to: 'ada@example.com',
      subject: 'Your order has shipped.',
      body: 'Your order has shipped.\nIt will be there on Friday.',
    }),
  ]);
}, 90_000);
