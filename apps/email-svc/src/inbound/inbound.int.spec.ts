import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EmailReceived } from '@signalbox/contracts';
import { eventually } from '@signalbox/testing';
import { type RunningEmailService, runEmailService } from '../../test/running-service.ts';

let service: RunningEmailService;
beforeAll(async () => {
  service = await runEmailService();
  await withRoutes(service);
}, 60_000);
afterAll(() => service.stop());

/** The tenant file's own fields stand beside those of the routes. */
async function withRoutes({ sendgrid, writeTenants, api }: RunningEmailService): Promise<void> {
  await writeTenants({
    sendgrid: {
      apiKey: 'env:SPEC_SENDGRID_KEY',
      baseUrl: sendgrid.url,
      from: 'Demo <no-reply@demo.example>',
      inboundParse: {
        secretPath: 'env:SPEC_SECRET',
        replyAddress: 'reply@parse.demo.example',
        routes: [
          { topic: 'bounces', kinds: ['bounce'] },
          { topic: 'support', recipient: 'support@*', reply: false },
          { topic: 'answers', reply: true },
        ],
      },
    },
  });
  let asked = 0;
  await eventually(async () => {
    const { body } = await api<{ emailId: string }>('/v1/emails', {
      body: { idempotencyKey: `probe-${asked++}`, to: 'a@example.com', subject: 'x', text: 'x', trackReplies: true },
    });
    const story = await api<{ state: string }>(`/v1/emails/${body.emailId}`);
    if (story.body.state === 'rejected') throw new Error('the tenant file is not in force yet');
  });
}

const arrived = (subject: string) =>
  eventually(() => {
    const found = service.received.filter((email) => email.subject === subject);
    if (!found[0]) throw new Error(`${subject} has not arrived`);
    return found as [EmailReceived, ...EmailReceived[]];
  });

async function handedOver(key: string, fields: object = {}): Promise<{ id: string; sid: string }> {
  const id = await service.send({ idempotencyKey: key, metadata: { order: key }, ...fields });
  const { providerSid } = await service.reaches(key, 'submitted');
  return { id, sid: providerSid ?? '' };
}

describe('a received email', () => {
  it('is told once, with what was found out about it, and can be read', async () => {
    const attachments = [
      { blob: 'key', filename: 'a.pdf', contentType: 'application/pdf', contentId: null, bytes: 5, sha256: '00' },
    ];
    const email = {
      subject: 'first',
      html: '<p>Hello</p><script>alert(1)</script>',
      attachments,
      params: { from: 'Ann <A@example.com>', SPF: 'pass', dkim: '{@example.com : pass}', spam_score: '1.5' },
    };
    await service.receive(email, 'first');
    await service.receive(email, 'first');
    await service.receive({ subject: 'after the first' });
    await arrived('after the first');
    const told = await arrived('first');
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      kind: 'message',
      from: 'a@example.com',
      fromName: 'Ann',
      html: '<p>Hello</p>',
      attachments,
      spf: 'pass',
      dkim: [{ domain: 'example.com', result: 'pass' }],
      spamScore: 1.5,
      topic: 'support',
      inReplyTo: null,
    });

    const { body } = await service.api<{ emails: EmailReceived[] }>('/v1/inbound?from=A@example.com&topic=support');
    const listed = body.emails.filter(({ subject }) => subject === 'first');
    expect(listed).toHaveLength(1);
    expect(listed[0]).not.toHaveProperty('html');
    const one = await service.api(`/v1/inbound/${told[0].inboundId}`);
    expect(one.body).toEqual({ ...told[0], redactedAt: null });
    expect((await service.api('/v1/inbound/019a0000-0000-7000-8000-000000000001')).status).toBe(404);
  });

  it('is linked by the address that only its recipient was given', async () => {
    const { id } = await handedOver('tracked', { trackReplies: true, to: 'token@example.com' });
    const call = service.sendgrid.taken.find(({ personalizations }) =>
      personalizations.some(({ to }) => to[0]?.email === 'token@example.com'),
    );
    const address = call?.reply_to?.email ?? '';
    expect(address).toMatch(/^reply\+[0-9a-v]{45}@parse\.demo\.example$/);

    await service.receive({ subject: 'by token', from: 'other@example.com', to: [address], params: {} });
    const [told] = await arrived('by token');
    expect(told).toMatchObject({
      topic: 'answers',
      inReplyTo: { emailId: id, idempotencyKey: 'tracked', by: 'token', metadata: { order: 'tracked' } },
    });
    const { body } = await service.api<{ emails: { subject: string }[] }>(`/v1/inbound?inReplyTo=${id}`);
    expect(body.emails.map(({ subject }) => subject)).toEqual(['by token']);
  });

  it('is linked by the headers of an answer, to the one to its author where a call had several', async () => {
    const one = await handedOver('thread-1', { to: 'one@example.com' });
    const headers = `In-Reply-To: <someone-else@x>\nReferences: <older@x> <${one.sid}@geopod-ismtpd-1>`;
    await service.receive({ subject: 'by header', params: { from: 'one@example.com', headers } });
    expect((await arrived('by header'))[0].inReplyTo).toMatchObject({ emailId: one.id, by: 'message_id' });

    // A second one under the same id of the provider, as if both had gone through one call.
    const two = await handedOver('thread-2', { to: 'two@example.com' });
    await service.query('update emails set provider_sid = $1 where id = $2', [one.sid, two.id]);
    await service.receive({ subject: 'shared', params: { from: 'two@example.com', headers } });
    expect((await arrived('shared'))[0].inReplyTo).toMatchObject({ emailId: two.id });
    await service.receive({ subject: 'stranger', params: { from: 'stranger@example.com', headers } });
    expect((await arrived('stranger'))[0].inReplyTo).toBeNull();
  });

  it('of another tenant answers none of this one', async () => {
    const { sid } = await handedOver('ours');
    const params = { from: 'a@example.com', headers: `In-Reply-To: <${sid}@geopod-ismtpd-1>` };
    await service.receive({ tenant: service.otherTenant, subject: 'theirs', params });
    expect((await arrived('theirs'))[0]).toMatchObject({ tenant: service.otherTenant, inReplyTo: null, topic: null });
    const { body } = await service.api<{ emails: { subject: string }[] }>('/v1/inbound');
    expect(body.emails.map(({ subject }) => subject)).not.toContain('theirs');
  });

  it('that a program wrote is told as such', async () => {
    await service.receive({ subject: 'away', params: { headers: 'Auto-Submitted: auto-replied' } });
    await service.receive({ subject: 'failed', from: '', params: { from: 'MAILER-DAEMON@example.com' } });
    expect((await arrived('away'))[0]).toMatchObject({ kind: 'auto_reply', topic: 'support' });
    expect((await arrived('failed'))[0]).toMatchObject({ kind: 'bounce', envelopeFrom: '', topic: 'bounces' });
  });

  it('of an unknown tenant goes to the dead letters, and keeps no other one', async () => {
    await service.receive({ tenant: 'nobody', from: 'strange@example.com', subject: 'nobody' });
    await service.receive({ from: 'strange@example.com', subject: 'somebody' });
    await arrived('somebody');
    await eventually(() => expect(service.deadLetters).toContain('strange@example.com'));
    expect(service.received.filter(({ subject }) => subject === 'nobody')).toEqual([]);
  });
});

describe('retention', () => {
  it('takes the content out first, the email later', async () => {
    const fresh = await runEmailService({ SWEEP_POLL_MS: '50' });
    try {
      const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
      await fresh.receive({ subject: 'new' });
      await fresh.receive({ subject: 'old', receivedAt: daysAgo(31) });
      await fresh.receive({ subject: 'ancient', receivedAt: daysAgo(401) });
      await eventually(() => expect(fresh.received).toHaveLength(3));
      await eventually(async () => {
        const { body } = await fresh.api<{ emails: { subject: string | null; redactedAt: string | null }[] }>(
          '/v1/inbound',
        );
        expect(body.emails.map(({ subject, redactedAt }) => [subject, redactedAt !== null])).toEqual([
          ['new', false],
          [null, true],
        ]);
      });
    } finally {
      await fresh.stop();
    }
  });
});

it('asks for trackReplies without replyTo', async () => {
  const { status } = await service.api('/v1/emails', {
    body: { idempotencyKey: 'both', to: 'a@example.com', text: 'x', trackReplies: true, replyTo: 'b@example.com' },
  });
  expect(status).toBe(400);
});
