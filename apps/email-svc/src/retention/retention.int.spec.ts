import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EmailState } from '@signalbox/contracts';
import { newAttempt } from '@signalbox/outbound';
import { writeAll } from '@signalbox/persistence';
import { createLogger } from '@signalbox/telemetry';
import type { TenantDirectory } from '@signalbox/tenants';
import fc from 'fast-check';
import { email, tenant } from '../../test/builders.ts';
import { type EmailDatabase, emailDatabase, whereIs } from '../../test/database.ts';
import { attempts } from '../dispatch/attempt.store.ts';
import { sweepBodies } from '../email/body.store.ts';
import { begin, type Email, remark } from '../email/email.ts';
import { insert } from '../email/email.store.ts';
import { applyRequests } from '../suppression/suppression.store.ts';
import { erase } from './erase.ts';
import { Retention } from './retention.ts';

const now = new Date();
const daysAgo = (days: number) => new Date(now.getTime() - days * 24 * 3_600_000).toISOString();
const kept = { ...tenant, retention: { bodies: 'P30D', messages: 'P400D' } };
const directory = { byName: (name: string) => (name === 'demo' ? kept : undefined) } as TenantDirectory;
const logger = createLogger('spec', { level: 'silent' });

let database: EmailDatabase;
let removed: string[];
let retention: Retention;
beforeAll(async () => {
  database = await emailDatabase();
  const blobs = {
    delete(key: string) {
      removed.push(key);
      return Promise.resolve(true);
    },
  };
  retention = new Retention(database.transact, directory, blobs, { SWEEP_POLL_MS: 1 }, logger);
});
afterAll(() => database.close());
beforeEach(async () => {
  removed = [];
  await database.dataSource.query(
    `truncate emails, email_bodies, attempts, email_history, email_smtp_ids, inbound_emails, unmatched_events, outbox,
     retention_marks, retention_deferred, erasures, suppressions, suppression_changes, blob_deletions cascade`,
  );
});

const query = <Row extends object>(sql: string, parameters: unknown[] = []) =>
  database.dataSource.query<Row[]>(sql, parameters);
const count = (table: string, where?: string) => database.count(table, where);

async function passAll(limit: number, of = retention): Promise<number> {
  for (let passes = 1; ; passes++) if (!(await of.pass(now, limit))) return passes;
}

/** Emails with an attempt, a line of the history and an smtp-id each. */
async function emails(
  number: number,
  changes: Partial<Email> = {},
  attemptState: 'accepted' | 'in_doubt' | 'calling' | null = 'accepted',
): Promise<string[]> {
  const all = Array.from({ length: number }, () => {
    const id = randomUUID();
    return email({ id, idempotencyKey: id, state: 'delivered', templateData: { name: 'Ada' }, ...changes });
  });
  await database.transact(async (tx) => {
    await insert(
      tx,
      all.map((one) =>
        remark(begin(one), {
          at: one.createdAt,
          kind: 'callback',
          eventId: 'bounce',
          detail: { event: 'bounce', outcome: 'applied', reason: `550 <${one.to}> is unknown`, url: one.to },
        }),
      ),
    );
    if (attemptState === null) return;
    const opened = all.map(({ id }) => ({ ...newAttempt(id, 1, 'spec', now, 60_000), state: attemptState }));
    await writeAll(tx, [attempts.opened(opened)]);
  });
  await query(
    `insert into email_smtp_ids select tenant, '<' || id || '@x>', recipient, id from emails where id = any($1)`,
    [all.map(({ id }) => id)],
  );
  return all.map(({ id }) => id);
}

async function received(number: number, receivedAt: string, fields: object = {}, replyTo: string | null = null) {
  const content = {
    from: 'a@example.com',
    fromName: 'Ada',
    envelopeFrom: 'a@example.com',
    subject: 'Hi',
    text: 'Hi',
    html: null,
    textBlob: 'text-blob',
    htmlBlob: null,
    raw: null,
    attachments: [{ blob: `blob-${randomUUID()}` }],
    inReplyTo: replyTo && { emailId: replyTo, metadata: { name: 'Ada' } },
    ...fields,
  };
  await query(
    `insert into inbound_emails (id, tenant, occurrence, received_at, sender, recipients, kind, in_reply_to, email)
     select gen_random_uuid(), 'demo', gen_random_uuid()::text, $2, $3, '["support@parse.demo.example"]', 'message', $4, $5
     from generate_series(1, $1)`,
    [number, receivedAt, content.from, replyTo, JSON.stringify(content)],
  );
}

describe('retention', () => {
  it('takes the content out of every email past its time, however many are of the same moment, and of no other', async () => {
    await emails(95, { createdAt: daysAgo(31) });
    await emails(5, { createdAt: daysAgo(29) });
    await received(25, daysAgo(31));
    await received(5, daysAgo(29));
    expect(await passAll(10)).toBe(10);
    expect(await count('emails', `redacted_at is not null and subject = '' and template_data is null`)).toBe(95);
    expect(await count('emails', `redacted_at is null and subject <> '' and template_data is not null`)).toBe(5);
    expect(await count('inbound_emails', `redacted_at is not null and email ->> 'subject' is null`)).toBe(25);
    expect(await count('inbound_emails', `email ->> 'subject' = 'Hi'`)).toBe(5);
  });

  it('has the attachments of what it takes out deleted, each once', async () => {
    await received(1, daysAgo(31), { attachments: [{ blob: 'one' }, { blob: 'two' }], raw: { blob: 'mime' } });
    await received(1, daysAgo(401), { attachments: [{ blob: 'old' }], textBlob: null });
    await received(1, daysAgo(29), { attachments: [{ blob: 'young' }] });
    await passAll(10);
    expect(removed.sort()).toEqual(['mime', 'old', 'one', 'text-blob', 'two']);
    expect(await count('blob_deletions')).toBe(0);
  });

  it('forgets no attachment that could not be deleted', async () => {
    await received(1, daysAgo(31), { attachments: [{ blob: 'stuck' }], textBlob: null });
    const broken = { delete: () => Promise.reject(new Error('the volume is away')) };
    const failing = new Retention(database.transact, directory, broken, { SWEEP_POLL_MS: 1 }, logger);
    await expect(failing.pass(now)).rejects.toThrow('the volume is away');
    await passAll(10);
    expect(removed).toEqual(['stuck']);
  });

  it('does no more in a batch than it may', async () => {
    await emails(30, { createdAt: daysAgo(31) });
    await emails(30, { createdAt: daysAgo(401) });
    expect(await retention.pass(now, 10)).toBe(true);
    expect(await count('emails')).toBe(50);
    expect(await count('emails', 'redacted_at is not null')).toBe(0);
    expect(await retention.pass(now, 10)).toBe(true);
    expect(await count('emails')).toBe(40);
  });

  it('leaves the content of what is still to be sent until it has ended', async () => {
    const sendAt = new Date(now.getTime() + 3_600_000).toISOString();
    const [waiting] = await emails(1, { createdAt: daysAgo(31), state: 'scheduled', sendAt, dueAt: sendAt }, null);
    await emails(1, { createdAt: daysAgo(31), state: 'submitting' }, 'in_doubt');
    await emails(3, { createdAt: daysAgo(31) });
    await passAll(10);
    expect(await count('emails', 'redacted_at is not null')).toBe(3);
    await query(`update emails set state = 'delivered', unsent = false, due_at = null where id = $1`, [waiting]);
    await passAll(10);
    expect(await count('emails', 'redacted_at is not null')).toBe(4);
    expect(await count('retention_deferred')).toBe(1);
  });

  it('deletes emails with all that hangs on them, also of a tenant that left the file', async () => {
    await emails(25, { createdAt: daysAgo(401) });
    await emails(5, { createdAt: daysAgo(401), tenant: 'gone' });
    await emails(4, { createdAt: daysAgo(399) });
    await received(12, daysAgo(401));
    await passAll(10);
    for (const table of ['emails', 'attempts', 'email_smtp_ids'])
      expect([table, await count(table)]).toEqual([table, 4]);
    expect(await count('email_history', 'email_id not in (select id from emails)')).toBe(0);
    expect(await count('inbound_emails')).toBe(0);
  });

  it('ends what was never finished, tells of it, and then it goes as well', async () => {
    const createdAt = daysAgo(401);
    const dueAt = createdAt;
    const soon = new Date(now.getTime() + 3_600_000).toISOString();
    await emails(1, { createdAt, state: 'queued', dueAt }, null);
    await emails(1, { createdAt, state: 'submitting', attempt: 1 }, 'in_doubt');
    await emails(1, { createdAt, state: 'submitted' });
    const [calling] = await emails(1, { createdAt, state: 'submitting', attempt: 1 }, 'calling');
    const [planned] = await emails(1, { createdAt, state: 'scheduled', sendAt: soon, dueAt: soon }, null);
    await query('truncate outbox');
    await passAll(10);
    expect((await query<{ id: string }>('select id from emails order by id')).map(({ id }) => id)).toEqual(
      [calling, planned].sort(),
    );
    const told = await query<{ value: string }>('select value from outbox order by id');
    const states = told.map(({ value }) => JSON.parse(value) as { state: EmailState; error: { code: string } | null });
    expect(states.map(({ state, error }) => `${state} ${error?.code}`).sort()).toEqual([
      'expired expired',
      'failed in_doubt',
    ]);
  });

  it('goes on with the same emails once when two replicas do it', async () => {
    await emails(100, { createdAt: daysAgo(401) });
    const other = new Retention(database.transact, directory, null, { SWEEP_POLL_MS: 1 }, logger);
    await Promise.all([passAll(10), passAll(10, other)]);
    await passAll(10);
    expect(await count('emails')).toBe(0);
  });
});

describe('an erasure', () => {
  const person = 'ann.person@example.com';
  const request = { tenant: 'demo', address: person, requestedBy: 'spec' };
  const found = async () => (await whereIs(person, query)).filter((place) => !place.startsWith('outbox'));

  const standing = fc.record({
    as: fc.constantFrom('to', 'replyTo', 'stranger'),
    how: fc.constantFrom<[EmailState, 'accepted' | 'in_doubt' | 'calling' | null]>(
      ['scheduled', null],
      ['queued', null],
      ['submitting', 'calling'],
      ['submitting', 'in_doubt'],
      ['submitted', 'accepted'],
      ['delivered', 'accepted'],
      ['bounced', 'accepted'],
      ['canceled', null],
    ),
  });

  it('leaves the address in no table, whatever state its emails are in, and takes nothing from others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(standing, { maxLength: 12 }), fc.boolean(), async (all, hasWritten) => {
        await query('truncate emails, email_bodies, attempts, inbound_emails, unmatched_events, erasures cascade');
        let strangers = 0;
        for (const { as, how } of all) {
          const [state, attemptState] = how;
          const isWaiting = state === 'scheduled' || state === 'queued';
          const dueAt = isWaiting ? now.toISOString() : null;
          const named = { metadata: { who: person }, templateData: { who: person }, subject: `For ${person}` };
          const theirs =
            as === 'to'
              ? { ...named, to: person, toName: person }
              : as === 'replyTo'
                ? { ...named, replyTo: `Ann <${person}>` }
                : { to: 'other@example.com' };
          if (as === 'stranger') strangers++;
          const [id = ''] = await emails(1, { ...theirs, state, dueAt, attempt: 1 }, attemptState);
          if (as === 'to') {
            const report = { from: 'mailer-daemon@example.com', envelopeFrom: '', text: `${person} is unknown` };
            await received(1, daysAgo(1), report, id);
          }
          await query(`insert into email_bodies values ($1, $2, now() - interval '1 hour')`, [
            id,
            JSON.stringify({ text: as === 'stranger' ? 'Hi' : `Dear ${person}` }),
          ]);
          await query('update emails set body_key = id::text where id = $1', [id]);
        }
        if (hasWritten) {
          await received(2, daysAgo(1), { from: person, envelopeFrom: person.toUpperCase(), text: `I am ${person}` });
          await received(1, daysAgo(1), { from: 'ann@work.example', envelopeFrom: person.toUpperCase() });
          await query(
            `insert into unmatched_events values ('e', 'demo', now(), null, $1), ('f', 'demo', now(), null, '{"email": "other@example.com"}')`,
            [JSON.stringify({ email: ` ${person.toUpperCase()}`, params: { reason: person } })],
          );
        }
        await erase(database.transact, request, now);
        await query(`update attempts set state = 'deferred' where state = 'calling'`);
        await query(
          `update emails set due_at = now() where state = 'submitting' and due_at is null
             and exists (select from attempts where email_id = emails.id and state = 'deferred')`,
        );
        await passAll(100);
        await database.transact((tx) => sweepBodies(tx, 100));

        expect(await found()).toEqual([]);
        expect(await count('emails')).toBe(all.length);
        expect(await count('emails', `recipient = 'other@example.com' and subject <> '' and redacted_at is null`)).toBe(
          strangers,
        );
        expect(await count('unmatched_events')).toBe(hasWritten ? 1 : 0);
        expect(await count('emails', `unsent and recipient like 'erased:%'`)).toBe(0);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('goes through thousands in batches, once, and is on record without the address', async () => {
    await emails(1_200, { to: person });
    await emails(3, { to: person, tenant: 'other' });
    const done = await erase(database.transact, request, now);
    expect(done).toMatchObject({ emails: 1_200, inbound: 0, deferred: 0, optedOut: false });
    expect(await count('emails', `recipient = 'erased:${done.erasureId}'`)).toBe(1_200);
    expect(await erase(database.transact, request, now)).toMatchObject({ emails: 0, deferred: 0 });
    expect(await query('select recipient, requested_by, emails from erasures order by id')).toEqual([
      { recipient: 'a•••@example.com', requested_by: 'spec', emails: 1_200 },
      { recipient: 'a•••@example.com', requested_by: 'spec', emails: 0 },
    ]);
    expect(await count('emails', `tenant = 'other' and recipient = '${person}'`)).toBe(3);
  });

  it('waits for a call that is under way, and sends nothing more after it', async () => {
    const [id] = await emails(1, { to: person, state: 'submitting', attempt: 1 }, 'calling');
    expect(await erase(database.transact, request, now)).toMatchObject({ emails: 0, deferred: 1 });
    await passAll(10);
    expect(await found()).not.toEqual([]);
    await query(`update attempts set state = 'deferred' where email_id = $1`, [id]);
    await query(`update emails set due_at = now() where id = $1`, [id]);
    await passAll(10);
    expect(await found()).toEqual([]);
    expect(await query('select state, due_at from emails')).toEqual([{ state: 'canceled', due_at: null }]);
  });

  it('keeps an opt-out in force, without who said so, and replaces what was told of it', async () => {
    const key = { tenant: 'demo', recipient: person, scope: '*', source: 'Ann wrote to support' };
    const said = (state: 'opted_out' | 'opted_in', days: number) =>
      database.transact((tx) => applyRequests(tx, [{ ...key, state, reason: 'api', at: daysAgo(days) }]));
    await said('opted_out', 3);
    await said('opted_in', 2);
    await said('opted_out', 1);
    expect(await erase(database.transact, request, now)).toMatchObject({ optedOut: true });
    expect(await query('select state, source, sequence from suppressions')).toEqual([
      { state: 'opted_out', source: null, sequence: 3 },
    ]);
    expect(await query('select sequence, state, source from suppression_changes')).toEqual([
      { sequence: 3, state: 'opted_out', source: null },
    ]);
    const told = await query<{ key: string; id: string; value: string }>(
      `select key, headers ->> 'ce_id' as id, value from outbox where topic = 'events.suppression.v1' order by outbox.id desc limit 2`,
    );
    // Compaction keeps the last record of a key: the one without details.
    expect(told[0]).toMatchObject({ key: told[1]?.key, id: told[1]?.id });
    expect(told.map(({ value }) => JSON.parse(value) as object)).toMatchObject([
      { sequence: 3, state: 'opted_out', source: null },
      { sequence: 3, state: 'opted_out', source: 'Ann wrote to support' },
    ]);
    await erase(database.transact, request, now);
    expect(await count('outbox', `topic = 'events.suppression.v1'`)).toBe(4);
  });
});
