import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

let email: EmailSystem;
beforeAll(async () => {
  email = await startEmailSystem({ env: { SWEEP_POLL_MS: '200' } });
}, 120_000);
afterAll(() => email?.stop(), 60_000);

/** Attachments that the edge has written, and email-svc has not deleted. */
async function attachments(): Promise<number> {
  const entries = await readdir(join(email.system.logs, '../data/services/blobs'), {
    recursive: true,
    withFileTypes: true,
  });
  return entries.filter((entry) => entry.isFile()).length;
}

const write = async (from: string, subject: string) => {
  const envelope = JSON.stringify({ to: ['support@parse.demo.example'], from });
  const params = { from: `Ann <${from}>`, subject, envelope };
  const answer = await email.control<{ status: number }>('callbacks', { kind: 'sendgrid.inbound', params });
  expect(answer.status).toBe(204);
};
const received = async () =>
  (await email.api<{ emails: { subject: string | null; from: string }[] }>('/v1/inbound')).emails;

it('a person who asks to be forgotten is taken out of what was sent to them and of what they wrote, attachments too', async () => {
  const [ann, bob] = ['ann@example.com', 'bob@example.com'];
  await email.publish([
    { idempotencyKey: 'sent', to: `Ann <${ann}>`, subject: 'For Ann' },
    { idempotencyKey: 'later', to: ann, sendAt: new Date(Date.now() + 3_600_000).toISOString() },
    { idempotencyKey: 'to-bob', to: bob, subject: 'For Bob' },
  ]);
  await eventually(() => expect([email.stateOf('sent'), email.stateOf('to-bob')]).toEqual(['delivered', 'delivered']), {
    timeout: 60_000,
  });
  await write(ann, 'from Ann');
  await write(bob, 'from Bob');
  await eventually(async () => expect(await received()).toHaveLength(2));
  expect(await attachments()).toBe(2);
  await email.eventsTaken();

  const done = await email.api<{ erasureId: string }>('/v1/erasures', { recipient: ann });
  expect(done).toMatchObject({ emails: 2, inbound: 1, deferred: 0, optedOut: false });
  await eventually(async () => expect(await attachments()).toBe(1));
  await eventually(() => expect(email.stateOf('later')).toBe('canceled'));
  const { emails } = await email.api<{ emails: { to: string; subject: string }[] }>('/v1/emails');
  expect(emails.map(({ to, subject }) => `${to} ${subject}`).sort()).toEqual(
    [`${bob} For Bob`, `erased:${done.erasureId} `, `erased:${done.erasureId} `].sort(),
  );
  expect((await received()).map(({ from, subject }) => `${from} ${subject}`).sort()).toEqual(
    [`${bob} from Bob`, `erased:${done.erasureId} null`].sort(),
  );
}, 120_000);
