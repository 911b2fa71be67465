import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { type EmailSystem, startEmailSystem } from './email-system.ts';

interface Received {
  readonly inboundId: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string | null;
  readonly topic: string | null;
  readonly spf: string;
  readonly attachments: readonly { readonly filename: string; readonly bytes: number }[];
  readonly inReplyTo: { readonly idempotencyKey: string; readonly by: string } | null;
}

let email: EmailSystem;
beforeAll(async () => {
  email = await startEmailSystem();
}, 120_000);
afterAll(() => email?.stop(), 60_000);

const receive = async (params: object) => {
  const answer = await email.control<{ status: number }>('callbacks', { kind: 'sendgrid.inbound', params });
  expect(answer.status).toBe(204);
};

const arrived = (subject: string) =>
  eventually(async () => {
    const { emails } = await email.api<{ emails: Received[] }>('/v1/inbound');
    const found = emails.find((one) => one.subject === subject);
    if (!found) throw new Error(`${subject} has not arrived`);
    return email.api<Received>(`/v1/inbound/${found.inboundId}`);
  });

it('what is posted to the edge is received, and an answer finds the email it answers', async () => {
  await receive({ subject: 'first', html: '<p>Hi</p><img src="https://t.example/pixel"><script>1</script>' });
  expect(await arrived('first')).toMatchObject({
    html: '<p>Hi</p>',
    topic: 'support',
    spf: 'pass',
    attachments: [{ filename: 'order.txt', bytes: 8 }],
    inReplyTo: null,
  });

  await email.publish([{ idempotencyKey: 'plain', to: 'ada@example.com' }]);
  await eventually(() => expect(email.stateOf('plain')).toBe('delivered'), { timeout: 60_000 });
  const sid = email.moves.get('plain')?.at(-1)?.providerSid ?? '';
  await receive({ subject: 'answer', headers: `Message-ID: <2@example.com>\r\nIn-Reply-To: <${sid}@geopod-ismtpd-1>` });
  expect(await arrived('answer')).toMatchObject({ inReplyTo: { idempotencyKey: 'plain', by: 'message_id' } });

  await email.publish([{ idempotencyKey: 'tracked', to: 'tracked@example.com', trackReplies: true }]);
  await eventually(() => expect(email.stateOf('tracked')).toBe('delivered'), { timeout: 60_000 });
  const [sent] = await email.accepted('tracked@example.com');
  const to = [sent?.replyTo ?? ''];
  await receive({ subject: 'by token', envelope: JSON.stringify({ to, from: 'else@example.com' }) });
  expect(await arrived('by token')).toMatchObject({ inReplyTo: { idempotencyKey: 'tracked', by: 'token' } });
}, 120_000);
