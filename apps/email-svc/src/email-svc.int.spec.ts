import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testing';
import { randomUUID } from 'node:crypto';
import { runEmailService, type RunningEmailService, sgEvent, unsubscribeBase } from '../test/running-service.ts';
import type { SentMail } from '../test/sendgrid-stub.ts';
import type { EmailStory } from './http/email.schemas.ts';

describe('email-svc, on a real Kafka and Postgres', () => {
  let service: RunningEmailService;
  beforeAll(async () => {
    service = await runEmailService();
  }, 60_000);
  afterEach(() => service.sendgrid.reset());
  afterAll(() => service?.stop());

  const story = async (id: string) => (await service.api<EmailStory>(`/v1/emails/${id}`)).body;
  const mailTo = (to: string): SentMail | undefined =>
    service.sendgrid.taken.find(({ personalizations }) => personalizations.some((one) => one.to[0]?.email === to));

  it('is ready and describes itself', async () => {
    await eventually(async () =>
      expect((await service.api('/readyz')).body).toMatchObject({ checks: { kafka: 'ok', postgres: 'ok' } }),
    );
    const { paths } = (await service.api<{ paths: object }>('/openapi.json')).body;
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/unsubscribe/{token}',
        '/v1/emails',
        '/v1/emails/{id}',
        '/v1/emails/{id}/cancel',
        '/v1/emails/{id}/settle',
        '/v1/erasures',
        '/v1/quotas',
        '/v1/quotas/account',
        '/v1/quotas/senders/{sender}',
        '/v1/suppressions',
        '/v1/suppressions/drift',
        '/v1/suppressions/sync',
        '/v1/suppressions/{recipient}',
        '/v1/warmup',
        '/v1/warmup/{pool}',
      ]),
    );
  });

  describe('a request', () => {
    it('is one email however often it comes, and goes to SendGrid once with our id', async () => {
      const key = randomUUID();
      await Promise.all([1, 2, 3].map(() => service.command({ idempotencyKey: key, to: 'Ada <Once@Example.com>' })));
      const { emailId, providerSid } = await service.reaches(key, 'submitted');
      expect(service.states(key)).toEqual(['1 accepted', '2 queued', '3 submitting', '4 submitted']);
      expect(providerSid).toMatch(/^sid-/);
      expect(service.sendgrid.taken).toEqual([
        expect.objectContaining({
          from: { email: 'no-reply@demo.example', name: 'Demo' },
          content: [{ type: 'text/plain', value: 'Hello there' }],
          personalizations: [
            {
              to: [{ email: 'once@example.com', name: 'Ada' }],
              subject: 'Hello',
              custom_args: { sb_message_id: emailId },
            },
          ],
        }),
      ]);
    });

    it('over HTTP answers a repeat with the first one, and refuses another request under its key', async () => {
      const idempotencyKey = randomUUID();
      const request = { idempotencyKey, to: 'a@example.com', subject: 'Hello', text: 'x' };
      const first = await service.api('/v1/emails', { body: request });
      expect(first).toMatchObject({ status: 202, body: { state: 'queued', repeated: false } });
      const again = await service.api('/v1/emails', { body: request });
      expect(again).toMatchObject({ status: 202, body: { emailId: first.body['emailId'], repeated: true } });
      const other = await service.api('/v1/emails', { body: { ...request, text: 'y' } });
      expect(other).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/idempotencyKey' }] } });
      await service.reaches(idempotencyKey, 'submitted');
    });

    it.each([
      ['an address that is none', { to: 'nobody' }, 422],
      ['neither text, HTML nor template', { text: undefined }, 400],
      [
        '21 attachments',
        { attachments: Array(21).fill({ filename: 'a', contentType: 'text/plain', content: 'YQ==' }) },
        400,
      ],
      [
        'too large attachments',
        { attachments: [{ filename: 'a', contentType: 'x/y', content: 'A'.repeat(14_100_000) }] },
        400,
      ],
    ])('over HTTP is refused with %s', async (_label, changes, status) => {
      const body = { idempotencyKey: randomUUID(), to: 'a@example.com', subject: 'x', text: 'x', ...changes };
      expect((await service.api('/v1/emails', { body })).status).toBe(status);
    });

    it.each([
      ['an address that is none', { to: 'nobody' }, 'invalid_recipient'],
      ['no subject', { subject: ' ', text: '\n ', html: 'x' }, 'no_subject'],
      ['a time that is over', { expiresAt: '2020-01-01T00:00:00Z' }, 'expired'],
    ])('over Kafka ends rejected with %s', async (_label, changes, code) => {
      const idempotencyKey = randomUUID();
      await service.command({ idempotencyKey, ...changes });
      expect(await service.reaches(idempotencyKey, 'rejected')).toMatchObject({ sequence: 1, error: { code } });
      expect(service.sendgrid.taken).toEqual([]);
    });

    it('of a tenant without a key is rejected, of one unknown dead-lettered', async () => {
      const [known, unknown] = [randomUUID(), randomUUID()];
      await service.command({ idempotencyKey: known, tenant: service.otherTenant });
      await service.command({ idempotencyKey: unknown, tenant: 'nobody-knows' });
      expect(await service.reaches(known, 'rejected')).toMatchObject({ error: { code: 'not_configured' } });
      await eventually(() => expect(service.deadLetters).toContain(`nobody-knows:${unknown}`));
    });

    it('waits for its time, and can be canceled until then', async () => {
      const [soon, never] = [randomUUID(), randomUUID()];
      await service.command({ idempotencyKey: soon, sendAt: new Date(Date.now() + 1_500).toISOString() });
      const id = await service.send({ idempotencyKey: never, sendAt: new Date(Date.now() + 3_600_000).toISOString() });
      expect(await story(id)).toMatchObject({ state: 'scheduled', waiting: { reason: 'scheduled' } });
      expect(await service.api(`/v1/emails/${id}/cancel`, { method: 'POST' })).toMatchObject({ status: 200 });
      await service.reaches(never, 'canceled');
      const sent = await service.reaches(soon, 'submitted');
      expect((await service.api(`/v1/emails/${sent.emailId}/cancel`, { method: 'POST' })).status).toBe(409);
      const cancelByKey = { idempotencyKey: randomUUID() };
      await service.command({ ...cancelByKey, sendAt: new Date(Date.now() + 3_600_000).toISOString() });
      await service.reaches(cancelByKey.idempotencyKey, 'scheduled');
      await service.command(cancelByKey, 'email.cancel.v1');
      await service.reaches(cancelByKey.idempotencyKey, 'canceled');
    });

    it('takes the first line for a subject, as that of a fallback of a message', async () => {
      const idempotencyKey = randomUUID();
      const correlationId = randomUUID();
      await service.command({ idempotencyKey, subject: '', text: '\n Your order\nhas shipped', correlationId });
      expect(await service.reaches(idempotencyKey, 'submitted')).toMatchObject({ correlationId });
      expect(service.sendgrid.taken[0]?.personalizations[0]?.subject).toBe('Your order');
    });
  });

  describe('a call', () => {
    const keys = (count: number) => Array.from({ length: count }, () => randomUUID());

    /** Holds them back until all are there, so that they are claimed together. */
    async function together(all: string[], request: (index: number) => object) {
      const sendAt = new Date(Date.now() + 1_500).toISOString();
      await Promise.all(
        all.map((idempotencyKey, index) =>
          service.command({ idempotencyKey, to: `p${index}@example.com`, sendAt, ...request(index) }),
        ),
      );
    }

    it('takes all emails that share a template, each with its own data and id', async () => {
      const all = keys(120);
      await together(all, (index) => ({
        templateId: 'd-shipped',
        templateData: { number: index },
        text: undefined,
        subject: undefined,
        categories: ['orders'],
      }));
      await Promise.all(all.map((key) => service.reaches(key, 'submitted')));
      const calls = service.sendgrid.taken.filter(({ template_id }) => template_id === 'd-shipped');
      expect(calls.length).toBeLessThanOrEqual(6);
      const sent = calls.flatMap(({ personalizations }) => personalizations);
      expect(sent.map(({ to }) => to[0]?.email).sort()).toEqual(all.map((_, index) => `p${index}@example.com`).sort());
      for (const { to, custom_args, dynamic_template_data } of sent) {
        const index = Number(/\d+/.exec(to[0]?.email ?? '')?.[0]);
        expect(dynamic_template_data).toEqual({ number: index });
        expect(custom_args.sb_message_id).toBe(service.lastOf(all[index] ?? '')?.emailId);
      }
    });

    it('has no recipient twice', async () => {
      const all = keys(3);
      await together(all, () => ({ to: 'same@example.com', text: 'same' }));
      await Promise.all(all.map((key) => service.reaches(key, 'submitted')));
      expect(service.sendgrid.taken.map(({ personalizations }) => personalizations.length)).toEqual([1, 1, 1]);
    });

    it('that is refused for the sake of one recipient goes without that one', async () => {
      service.sendgrid.answerWith(({ personalizations }) => {
        const at = personalizations.findIndex(({ to }) => to[0]?.email === 'p3@example.com');
        const field = `personalizations.${at}.to.0.email`;
        return at < 0
          ? 202
          : { status: 400, body: { errors: [{ message: 'Does not contain a valid address.', field }] } };
      });
      const all = keys(10);
      await together(all, () => ({ text: 'one is at fault' }));
      await Promise.all(all.map((key, index) => service.reaches(key, index === 3 ? 'failed' : 'submitted')));
      const failed = service.lastOf(all[3] ?? '');
      expect(failed?.error).toMatchObject({
        code: 'bad_request',
        title: expect.stringContaining('personalizations.to.email'),
      });
      expect(service.sendgrid.recipients()).toHaveLength(9);
    });

    it('that is too large is halved until the culprit is alone', async () => {
      service.sendgrid.answerWith(({ personalizations }) =>
        personalizations.some(({ to }) => to[0]?.email === 'p5@example.com') ? 413 : 202,
      );
      const all = keys(8);
      await together(all, () => ({ text: 'one is too large' }));
      await Promise.all(all.map((key, index) => service.reaches(key, index === 5 ? 'failed' : 'submitted')));
      expect(service.lastOf(all[5] ?? '')?.error?.code).toBe('payload_too_large');
    });

    it('carries attachments, which are not kept with the email', async () => {
      const idempotencyKey = randomUUID();
      const attachments = [{ filename: 'order.txt', contentType: 'text/plain', content: 'T3JkZXIgNDI=' }];
      await service.send({ idempotencyKey, to: 'with-file@example.com', attachments });
      const { emailId } = await service.reaches(idempotencyKey, 'submitted');
      expect(mailTo('with-file@example.com')?.attachments).toEqual([
        { filename: 'order.txt', content: 'T3JkZXIgNDI=', type: 'text/plain', disposition: 'attachment' },
      ]);
      const [row] = await service.query<{ row: string }>('select e::text as row from emails e where id = $1', [
        emailId,
      ]);
      expect(row?.row).not.toContain('T3JkZXIgNDI=');
    });

    it('waits as long as a 429 says', async () => {
      const resetAt = Math.ceil(Date.now() / 1000) + 2;
      let refusals = 0;
      service.sendgrid.answerWith(() => {
        if (Date.now() / 1000 >= resetAt) return 202;
        refusals++;
        return { status: 429, headers: { 'x-ratelimit-reset': String(resetAt), 'x-ratelimit-remaining': '0' } };
      });
      const idempotencyKey = randomUUID();
      const id = await service.send({ idempotencyKey });
      await eventually(async () => expect(await story(id)).toMatchObject({ attempts: [{ httpStatus: 429 }] }));
      await service.reaches(idempotencyKey, 'submitted');
      expect(Date.now() / 1000).toBeGreaterThanOrEqual(resetAt);
      expect(refusals).toBeLessThanOrEqual(2);
    });

    it.each([
      ['a revoked key', 401, 'credentials_refused'],
      ['a key without the scope', 403, 'scope_missing'],
    ])('with %s holds the mail of the account, which goes out when it is mended', async (_label, status, code) => {
      let calls = 0;
      service.sendgrid.answerWith((_mail, key) => {
        calls++;
        return key === `SG.good-${status}` ? 202 : status;
      });
      const all = keys(40);
      await Promise.all(all.map((idempotencyKey, index) => service.command({ idempotencyKey, text: `text ${index}` })));
      await eventually(async () => {
        const found = await service.query<{ due: number }>(
          `select count(*)::int as due from emails where idempotency_key = any($1) and due_at is not null and state = 'submitting'`,
          [all],
        );
        expect(found[0]?.due).toBeGreaterThan(0);
      });
      const [held] = (await service.api<{ emails: { emailId: string }[] }>(`/v1/emails?idempotencyKey=${all[0]}`)).body
        .emails;
      await eventually(async () => {
        const { waiting, attempts } = await story(held?.emailId ?? '');
        expect(waiting?.reason).toBe('credentials_refused');
        expect(attempts.map(({ error }) => error?.code)).toContain(code);
      });
      const before = calls;
      await eventually(() => expect(calls).toBeGreaterThan(before + 2));
      // One try each 200 ms, not one per email.
      expect(calls).toBeLessThan(80);
      process.env[`SPEC_KEY_${status}`] = `SG.good-${status}`;
      await service.writeTenants({}, `SPEC_KEY_${status}`);
      await Promise.all(all.map((key) => service.reaches(key, 'submitted')));
      expect(service.sendgrid.recipients()).toHaveLength(40);
      await service.writeTenants();
    });

    it('without an answer is in doubt until an event with our id tells, and is not made again', async () => {
      service.sendgrid.answerWith(() => 'no answer, taken');
      const idempotencyKey = randomUUID();
      const id = await service.send({ idempotencyKey });
      await eventually(async () => expect(await story(id)).toMatchObject({ waiting: { reason: 'in_doubt' } }));
      service.sendgrid.answerWith(() => 202);
      await service.tell([sgEvent({ id, sid: 'sid-of-doubt' }, 'processed')]);
      await service.reaches(idempotencyKey, 'processed');
      await eventually(async () => expect(await story(id)).toMatchObject({ attempts: [{ state: 'accepted' }] }));
      expect(service.sendgrid.taken).toHaveLength(1);
      expect((await story(id)).providerSid).toBe('sid-of-doubt');
    });

    it('that a dead process had claimed and not made is made by another one, and one that it had noted is not', async () => {
      const [claimed, noted] = [randomUUID(), randomUUID()];
      const ids: string[] = [];
      for (const idempotencyKey of [claimed, noted]) {
        const sendAt = new Date(Date.now() + 3_600_000).toISOString();
        ids.push(await service.send({ idempotencyKey, to: `${idempotencyKey}@example.com`, sendAt }));
      }
      // As a claim leaves them whose process is gone, its lease over.
      await service.query(`update emails set state = 'submitting', attempt = 1, due_at = null where id = any($1)`, [
        ids,
      ]);
      await service.query(
        `insert into attempts (email_id, number, state, started_at, lease_until, worker, called_at)
         select id, 1, 'calling', now() - interval '1 minute', now() - interval '1 second', 'gone',
           case when id = $2 then now() end
         from unnest($1::uuid[]) id`,
        [ids, ids[1]],
      );
      await service.reaches(claimed, 'submitted');
      await eventually(async () =>
        expect(await story(ids[1] ?? '')).toMatchObject({ waiting: { reason: 'in_doubt' } }),
      );
      expect(await story(ids[0] ?? '')).toMatchObject({
        attempts: [{ state: 'not_taken', error: { code: 'never_called' } }, { state: 'accepted' }],
      });
      expect(service.sendgrid.recipients()).toEqual([`${claimed}@example.com`]);
    });

    it('is made no faster than the quota allows, however many share a body', async () => {
      const at: number[] = [];
      service.sendgrid.answerWith(({ personalizations }) => {
        for (const _ of personalizations) at.push(performance.now());
        return 202;
      });
      await service.api('/v1/quotas/senders/demo.example', { method: 'PUT', body: { rate: 20, burst: 5 } });
      const all = keys(50);
      await Promise.all(
        all.map((idempotencyKey, index) => service.command({ idempotencyKey, to: `q${index}@example.com` })),
      );
      await Promise.all(all.map((key) => service.reaches(key, 'submitted')));
      await service.api('/v1/quotas/senders/demo.example', { method: 'DELETE' });
      // Five at once, and the others in their slots, of which a busy machine may put off some and not one forward.
      expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThan(1_800);
    });

    it('in doubt is settled by an operator, who may have it sent again', async () => {
      service.sendgrid.answerWith(() => 'no answer, not taken');
      const [again, over] = [randomUUID(), randomUUID()];
      const ids = await Promise.all(
        [again, over].map((idempotencyKey) => service.send({ idempotencyKey, text: idempotencyKey })),
      );
      for (const id of ids) {
        await eventually(async () => expect(await story(id)).toMatchObject({ waiting: { reason: 'in_doubt' } }));
      }
      service.sendgrid.answerWith(() => 202);
      const settle = (id: string | undefined, as: string) => service.api(`/v1/emails/${id}/settle`, { body: { as } });
      expect(await settle(ids[0], 'resend')).toMatchObject({ status: 200, body: { state: 'submitting' } });
      expect(await settle(ids[1], 'failed')).toMatchObject({ status: 200, body: { state: 'failed' } });
      await service.reaches(again, 'submitted');
      expect(await settle(ids[0], 'resend')).toMatchObject({ status: 409 });
      expect((await story(ids[0] ?? '')).history).toContainEqual(
        expect.objectContaining({ kind: 'settled', detail: { attempt: 1, as: 'resend', by: 'spec' } }),
      );
    });
  });

  describe('events', () => {
    async function submitted(changes: object = {}) {
      const idempotencyKey = randomUUID();
      const to = `${randomUUID()}@example.com`;
      const id = await service.send({ idempotencyKey, to, ...changes });
      const { providerSid } = await service.reaches(idempotencyKey, 'submitted');
      return { id, key: idempotencyKey, to, sid: providerSid };
    }

    it('lead an email on in any order, each once', async () => {
      const { key, ...email } = await submitted();
      const delivered = sgEvent(email, 'delivered', { response: '250 OK' });
      const open = sgEvent(email, 'open', { ip: '192.0.2.1' });
      await service.tell([
        delivered,
        sgEvent(email, 'processed'),
        delivered,
        { ...delivered, sg_event_id: 'another' },
        open,
        { ...open, sg_event_id: 'another open' },
        { ...open, sb_message_id: undefined },
        sgEvent(email, 'open', { sg_machine_open: true }),
        sgEvent(email, 'click', { url: 'https://example.com/42' }),
        sgEvent(email, 'event_of_tomorrow'),
      ]);
      await eventually(async () =>
        expect(await story(email.id)).toMatchObject({ state: 'delivered', opens: 1, machineOpens: 1, clicks: 1 }),
      );
      await eventually(async () => {
        const told = (await story(email.id)).history.filter(({ kind }) => kind === 'callback');
        expect(told.map(({ detail }) => `${String(detail['event'])} ${String(detail['outcome'])}`)).toEqual([
          'delivered applied',
          'processed ignored',
          'open applied',
          'open applied',
          'click applied',
          'event_of_tomorrow unknown',
        ]);
      });
      expect(service.states(key).slice(-2)).toEqual(['4 submitted', '5 delivered']);
      await eventually(() =>
        expect(
          service.engaged.filter(({ emailId }) => emailId === email.id).map(({ kind, url }) => [kind, url]),
        ).toEqual([
          ['open', null],
          ['machine_open', null],
          ['click', 'https://example.com/42'],
        ]),
      );
    });

    it('find their email without our id: by sg_message_id, else by smtp-id', async () => {
      const first = await submitted();
      await service.tell([sgEvent({ to: first.to.toUpperCase(), sid: first.sid }, 'delivered')]);
      await service.reaches(first.key, 'delivered');
      await service.tell([
        sgEvent({ to: first.to, sid: null }, 'bounce', {
          'smtp-id': `<${first.sid}@geopod-ismtpd-1>`,
          type: 'bounce',
          status: '5.1.1',
        }),
      ]);
      expect(await service.reaches(first.key, 'bounced')).toMatchObject({ error: { code: 'hard_bounce' } });

      const second = await submitted();
      const smtpId = { 'smtp-id': '<152712433591.85282@mail.example.com>' };
      await service.tell([sgEvent(second, 'processed', smtpId)]);
      await service.reaches(second.key, 'processed');
      await service.tell([sgEvent({ to: second.to, sid: null }, 'deferred', { ...smtpId, attempt: '1' })]);
      await service.reaches(second.key, 'deferred');
    });

    it('that overtake the answer are kept, and joined when it is saved', async () => {
      const to = `${randomUUID()}@example.com`;
      const sid = randomUUID();
      await service.tell([sgEvent({ to, sid }, 'delivered')]);
      await eventually(async () =>
        expect(await service.query(`select from unmatched_events where callback ->> 'email' = $1`, [to])).toHaveLength(
          1,
        ),
      );
      service.sendgrid.answerWith(() => ({ status: 202, headers: { 'x-message-id': sid } }));
      const idempotencyKey = randomUUID();
      await service.send({ idempotencyKey, to });
      await service.reaches(idempotencyKey, 'delivered');
      await eventually(async () =>
        expect(await service.query(`select from unmatched_events where callback ->> 'email' = $1`, [to])).toEqual([]),
      );
    });

    it("of another tenant's webhook do not move an email", async () => {
      const email = await submitted();
      await service.tell([sgEvent(email, 'bounce')], service.otherTenant);
      await service.tell([sgEvent(email, 'delivered')]);
      await service.reaches(email.key, 'delivered');
      expect((await story(email.id)).history.filter(({ kind }) => kind === 'callback')).toHaveLength(1);
    });

    it.each([
      ['bounce', { type: 'bounce', status: '5.1.1' }, 'bounced', 'hard_bounce'],
      ['bounce', { type: 'bounce', status: '4.2.2' }, 'bounced', 'soft_bounce'],
      ['bounce', { type: 'blocked', status: '5.7.1' }, 'bounced', 'blocked'],
      ['dropped', { reason: 'Spam Content' }, 'dropped', 'dropped'],
      ['dropped', { reason: 'Invalid' }, 'dropped', 'dropped_invalid'],
    ] as const)('%s with %j is %s: %s', async (event, fields, state, code) => {
      const email = await submitted();
      await service.tell([sgEvent(email, event, fields)]);
      expect(await service.reaches(email.key, state)).toMatchObject({ error: { code } });
    });
  });

  describe('the suppression list', () => {
    const list = (to: string) => service.api<{ suppressed: boolean; suppressions: object[] }>(`/v1/suppressions/${to}`);
    const rejected = async (request: object) => {
      const idempotencyKey = randomUUID();
      await service.command({ idempotencyKey, ...request });
      return service.reaches(idempotencyKey, 'rejected');
    };
    const sent = async (request: object) => {
      const idempotencyKey = randomUUID();
      await service.command({ idempotencyKey, ...request });
      return service.reaches(idempotencyKey, 'submitted');
    };
    const someone = () => `${randomUUID()}@example.com`;

    it.each([
      ['a hard bounce', 'bounce', { type: 'bounce', status: '5.1.1' }, 'bounce'],
      ['a spam report', 'spamreport', {}, 'spam_report'],
      ['an unsubscribe', 'unsubscribe', {}, 'unsubscribe'],
      ['a drop', 'dropped', { reason: 'Bounced Address' }, 'provider_refused'],
    ])('has whoever %s tells of, also of an email that is not ours', async (_label, event, fields, reason) => {
      const to = someone();
      await service.tell([sgEvent({ to, sid: randomUUID() }, event, fields)]);
      await eventually(async () =>
        expect((await list(to)).body).toMatchObject({ suppressed: true, suppressions: [{ scope: '*', reason }] }),
      );
      expect(await rejected({ to, lane: 'critical' })).toMatchObject({
        error: { code: 'suppressed', class: 'compliance' },
      });
      await eventually(() =>
        expect(service.suppressions.filter(({ recipient }) => recipient === to)).toEqual([
          expect.objectContaining({ channel: 'email', scope: '*', state: 'opted_out', reason, sequence: 1 }),
        ]),
      );
    });

    it('does not have whoever was only blocked or deferred', async () => {
      const to = someone();
      await service.tell([
        sgEvent({ to }, 'bounce', { type: 'blocked', status: '5.7.1' }),
        sgEvent({ to }, 'deferred'),
      ]);
      await sent({ to });
      expect((await list(to)).body.suppressed).toBe(false);
    });

    it('keeps a group from its bulk email, and from nothing else', async () => {
      const to = someone();
      await service.tell([sgEvent({ to }, 'group_unsubscribe', { asm_group_id: 7 })]);
      await eventually(async () => expect((await list(to)).body.suppressed).toBe(true));
      await rejected({ to, lane: 'bulk', unsubscribeGroup: 7 });
      await rejected({ to, lane: 'bulk' });
      await sent({ to, lane: 'bulk', unsubscribeGroup: 8 });
      await sent({ to, lane: 'transactional', unsubscribeGroup: 7 });
      expect(service.sendgrid.taken.map(({ asm }) => asm?.group_id)).toEqual([8, undefined]);
      await service.tell([
        sgEvent({ to }, 'group_resubscribe', { asm_group_id: 7, timestamp: Math.ceil(Date.now() / 1000) + 1 }),
      ]);
      await eventually(async () => expect((await list(to)).body.suppressed).toBe(false));
      await sent({ to, lane: 'bulk', unsubscribeGroup: 7 });
    });

    it('is asked again right before the call', async () => {
      const to = someone();
      const idempotencyKey = randomUUID();
      await service.command({ idempotencyKey, to, sendAt: new Date(Date.now() + 1_500).toISOString() });
      await service.reaches(idempotencyKey, 'scheduled');
      await service.api(`/v1/suppressions/${to}`, { method: 'PUT', body: { source: 'spec' } });
      expect(await service.reaches(idempotencyKey, 'rejected')).toMatchObject({ error: { code: 'suppressed' } });
      expect(service.sendgrid.taken).toEqual([]);
    });

    it('tells SendGrid what is decided here, and that it is lifted', async () => {
      const to = someone();
      await service.api(`/v1/suppressions/${to}`, { method: 'PUT', body: {} });
      await service.api(`/v1/suppressions/${to}`, { method: 'PUT', body: { scope: 'group:7' } });
      await eventually(() => {
        const told = service.sendgrid.calls.filter(({ method }) => method === 'POST');
        for (const path of ['/v3/asm/suppressions/global', '/v3/asm/groups/7/suppressions']) {
          expect(told).toContainEqual({ method: 'POST', path, body: { recipient_emails: [to] } });
        }
      });
      expect((await service.api(`/v1/suppressions/${to}?scope=*`, { method: 'DELETE' })).body).toMatchObject({
        suppressions: [{ scope: '*', state: 'opted_in', sequence: 2 }],
      });
      await eventually(() => {
        const removed = service.sendgrid.calls.filter(({ method }) => method === 'DELETE').map(({ path }) => path);
        const email = encodeURIComponent(to);
        expect(removed.sort()).toEqual([
          `/v3/asm/suppressions/global/${email}`,
          `/v3/suppression/bounces/${email}`,
          `/v3/suppression/invalid_emails/${email}`,
          `/v3/suppression/spam_reports/${email}`,
        ]);
      });
    });

    it("takes over SendGrid's lists, says where they have parted, and does not undo what was lifted since", async () => {
      const [bounced, left, ours] = [someone(), someone(), someone()];
      const created = Math.floor(Date.now() / 1000) - 60;
      service.sendgrid.lists.set('bounces', [{ email: bounced, created }]);
      service.sendgrid.setMembers([{ email: left, group_id: 7, created_at: created }]);
      await service.api(`/v1/suppressions/${ours}`, { method: 'PUT', body: {} });
      // For a tenant without a key there is nobody to tell, and another tenant's is nobody else's business.
      await service.query(
        `insert into suppressions values ($1, 'a@example.com', '*', 'opted_out', 'api', null, 1, now(), 0)`,
        [service.otherTenant],
      );
      const drift = await service.api<{ onlyHere: { examples: object[] } }>('/v1/suppressions/drift?limit=1000');
      expect(drift.body).toMatchObject({
        onlyAtSendgrid: {
          recipients: 2,
          examples: expect.arrayContaining([
            expect.objectContaining({ recipient: bounced, scope: '*', reason: 'bounce' }),
            expect.objectContaining({ recipient: left, scope: 'group:7' }),
          ]),
        },
      });
      expect(drift.body.onlyHere.examples).toContainEqual(expect.objectContaining({ recipient: ours }));
      await eventually(async () =>
        expect((await service.api('/v1/suppressions/drift')).body).toMatchObject({ untold: 0 }),
      );

      expect((await service.api('/v1/suppressions/sync', { method: 'POST' })).body).toEqual({ added: 2 });
      expect((await list(bounced)).body).toMatchObject({
        suppressions: [{ reason: 'bounce', source: 'sendgrid bounces' }],
      });
      await service.api(`/v1/suppressions/${bounced}`, { method: 'DELETE' });
      expect((await service.api('/v1/suppressions/sync', { method: 'POST' })).body).toEqual({ added: 0 });
      await sent({ to: bounced });
    });

    it('is compared by who may decide of it, and only as far as memory goes', async () => {
      expect((await service.api('/v1/suppressions/drift', { reader: true })).status).toBe(403);
      await service.query(
        `insert into suppressions
         select $1, n || '@long.example', '*', 'opted_out', 'api', null, 1, now(), 1 from generate_series(1, 200001) n`,
        [service.tenant],
      );
      expect((await service.api('/v1/suppressions/drift')).status).toBe(409);
      await service.query(`delete from suppressions where recipient like '%@long.example'`);
      expect((await service.api('/v1/suppressions/drift')).status).toBe(200);
    });

    it.each([
      ['multipart', () => ({ body: formOf('One-Click') })],
      ['the button of the page', () => ({ body: new URLSearchParams() })],
      ['nothing', () => ({})],
    ])('is left by a post of %s', async (_label, post) => {
      const to = someone();
      await sent({ to, lane: 'bulk', unsubscribeGroup: 9 });
      const link = /^<(.+)>$/.exec(mailTo(to)?.personalizations[0]?.headers?.['List-Unsubscribe'] ?? '')?.[1] ?? '';
      const click = await fetch(`${service.url}${link.slice(unsubscribeBase.length)}`, { method: 'POST', ...post() });
      expect(click.status).toBe(200);
      expect((await list(to)).body).toMatchObject({ suppressions: [{ scope: 'group:9', reason: 'unsubscribe' }] });
    });

    it.each([
      ['a form', new URLSearchParams({ field: 'x'.repeat(20_000) })],
      ['JSON', new Blob([JSON.stringify('x'.repeat(20_000))], { type: 'application/json' })],
    ])('is not left by a post of %s that is far too large', async (_label, body) => {
      const click = await fetch(`${service.url}/unsubscribe/some-token`, { method: 'POST', body });
      expect(click.status).toBe(413);
    });

    it('is left by one click of a mail client, and not by opening the link', async () => {
      const to = someone();
      await sent({ to, lane: 'bulk', unsubscribeGroup: 9 });
      const headers = mailTo(to)?.personalizations[0]?.headers ?? {};
      expect(headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
      const link = /^<(.+)>$/.exec(headers['List-Unsubscribe'] ?? '')?.[1] ?? '';
      expect(link.startsWith(`${unsubscribeBase}/unsubscribe/`)).toBe(true);
      const path = link.slice(unsubscribeBase.length);

      const page = await service.api(path, { anonymous: true });
      expect(page).toMatchObject({ status: 200, text: expect.stringContaining('<form method="post">') });
      expect((await list(to)).body.suppressed).toBe(false);
      expect((await service.api(`${path}x`, { method: 'POST', anonymous: true })).status).toBe(404);
      // As RFC 8058 has it: a form with one field.
      const click = await fetch(`${service.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'List-Unsubscribe=One-Click',
      });
      expect(click.status).toBe(200);
      expect((await list(to)).body).toMatchObject({ suppressions: [{ scope: 'group:9', reason: 'unsubscribe' }] });
      await rejected({ to, lane: 'bulk', unsubscribeGroup: 9 });
    });

    it('is listed page by page', async () => {
      const marks = Array.from({ length: 5 }, (_, index) => `page-${index}@${randomUUID()}.example`);
      for (const to of marks) await service.api(`/v1/suppressions/${to}`, { method: 'PUT', body: { scope: 'bulk' } });
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: { body: { suppressions: { recipient: string }[]; nextCursor: string | null } } = await service.api(
          `/v1/suppressions?scope=bulk&limit=2${cursor ? `&cursor=${cursor}` : ''}`,
        );
        seen.push(...page.body.suppressions.map(({ recipient }) => recipient));
        cursor = page.body.nextCursor;
      } while (cursor !== null);
      expect(seen).toEqual(marks);
    });
  });

  it('lists emails, newest first, by recipient and state', async () => {
    const to = `${randomUUID()}@example.com`;
    const keys = [randomUUID(), randomUUID(), randomUUID()];
    for (const idempotencyKey of keys) await service.send({ idempotencyKey, to });
    await Promise.all(keys.map((key) => service.reaches(key, 'submitted')));
    type Page = { emails: { idempotencyKey: string }[]; nextCursor: string | null };
    const first = await service.api<Page>(`/v1/emails?to=${to}&state=submitted&limit=2`);
    expect(first.body.emails.map(({ idempotencyKey }) => idempotencyKey)).toEqual([keys[2], keys[1]]);
    const rest = await service.api<Page>(`/v1/emails?to=${to}&limit=2&cursor=${first.body.nextCursor}`);
    expect(rest.body).toMatchObject({ emails: [{ idempotencyKey: keys[0] }], nextCursor: null });
  });

  it('answers only whom it may', async () => {
    const id = randomUUID();
    expect((await service.api(`/v1/emails/${id}`)).status).toBe(404);
    expect((await service.api(`/v1/emails/${id}`, { anonymous: true })).status).toBe(401);
    expect((await service.api('/v1/suppressions', { anonymous: true })).status).toBe(401);
  });
});

function formOf(choice: string): FormData {
  const form = new FormData();
  form.set('List-Unsubscribe', choice);
  return form;
}
