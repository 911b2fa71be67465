import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { BlobNotFound, BlobStore } from '@signalbox/blob-store';
import { eventually } from '@signalbox/testing';
import { whereIs } from '../../test/database.ts';
import { runEmailService, type RunningEmailService, sgEvent } from '../../test/running-service.ts';
import type { EmailStory } from '../http/email.schemas.ts';

let folder: string;
let blobs: BlobStore;
let service: RunningEmailService;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'erasure-'));
  blobs = await BlobStore.open(folder);
  service = await runEmailService({ SWEEP_POLL_MS: '50', BLOB_DIR: folder });
}, 60_000);
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
});

const later = () => new Date(Date.now() + 3_600_000).toISOString();
const erase = (recipient: string) => service.api('/v1/erasures', { body: { recipient } });
/** Rows of the outbox are on their way to Kafka. */
const found = async (person: string) => {
  await eventually(async () => expect(await service.query('select id from outbox limit 1')).toEqual([]));
  return whereIs(person, service.query);
};

async function blob(): Promise<string> {
  const staged = await blobs.stage(Readable.from([Buffer.from('a letter')]));
  await staged.commit();
  return staged.key;
}

it('takes a person out of every table, and their attachments out of the store', async () => {
  const person = `ann.${randomUUID()}@example.com`;
  const named = { to: `Ann <${person.toUpperCase()}>`, metadata: { who: person }, subject: `For ${person}` };
  const bounced = await service.send({ idempotencyKey: 'bounced', ...named, text: `Dear ${person}` });
  await service.reaches('bounced', 'submitted');
  await service.tell([
    sgEvent({ id: bounced, to: person }, 'click', { url: `https://shop.example/?for=${person}` }),
    sgEvent({ id: bounced, to: person }, 'bounce', { reason: `550 <${person}> is unknown`, status: '5.1.1' }),
    sgEvent({ id: null, sid: 'unheard-of', to: person.toUpperCase() }, 'open'),
  ]);
  await service.reaches('bounced', 'bounced');
  await service.send({ idempotencyKey: 'waits', ...named, to: `x.${person}`, replyTo: person, sendAt: later() });
  service.sendgrid.answerWith(() => 'no answer, not taken');
  const template = { templateId: 'd-1', templateData: { who: person }, text: undefined };
  const other = `other.${randomUUID()}@example.com`;
  await service.send({ idempotencyKey: 'doubtful', to: other, replyTo: `Ann <${person}>`, ...template });
  await eventually(async () =>
    expect((await service.api<{ emails: object[] }>('/v1/emails?inDoubt=true')).body.emails).toHaveLength(1),
  );
  service.sendgrid.answerWith(() => 202);
  const kept = await service.send({ idempotencyKey: 'kept', to: `kept.${randomUUID()}@example.com` });
  const letter = await blob();
  const attachment = { filename: 'a.txt', contentType: null, contentId: null, bytes: 8, sha256: '' };
  await service.receive({
    from: person,
    text: `I am ${person}`,
    params: { from: person },
    attachments: [{ ...attachment, blob: letter }],
  });
  const strangers = await blob();
  await service.receive({ subject: 'of somebody else', attachments: [{ ...attachment, blob: strangers }] });
  await service.api(`/v1/suppressions/${person}`, {
    method: 'PUT',
    body: { scope: 'bulk', source: `${person} wrote` },
  });
  await eventually(() => expect(service.received).toHaveLength(2));
  const strays = () => service.query('select 1 from unmatched_events where tenant = $1', [service.tenant]);
  await eventually(async () => expect(await strays()).toHaveLength(1));
  expect(await found(person)).not.toEqual([]);

  const done = await erase(person.toUpperCase());
  expect(done).toMatchObject({ status: 200, body: { emails: 3, inbound: 1, deferred: 0, optedOut: true } });
  await service.query(`update email_bodies set used_at = now() - interval '1 hour'`);
  // Who must not be written to stays on that list.
  const suppressed = ['suppression_changes: 2', 'suppressions: 2'];
  await eventually(async () => expect(await found(person)).toEqual(suppressed));
  expect(
    await service.query(`select 1 from suppressions where source is not null and recipient = $1`, [person]),
  ).toEqual([]);
  await eventually(async () => expect(blobs.get(letter)).rejects.toThrow(BlobNotFound));
  (await blobs.get(strangers)).destroy();

  const story = async (id: string) => (await service.api<EmailStory>(`/v1/emails/${id}`)).body;
  expect(await story(bounced)).toMatchObject({
    to: `erased:${String(done.body['erasureId'])}`,
    state: 'bounced',
    subject: '',
    metadata: {},
    redactedAt: expect.any(String),
  });
  expect(await story(kept)).toMatchObject({ subject: 'Hello', redactedAt: null });
  await service.reaches('waits', 'canceled');
  await service.reaches('doubtful', 'failed');
  expect(
    service.suppressions.findLast(({ recipient, scope }) => recipient === person && scope === 'bulk'),
  ).toMatchObject({ state: 'opted_out', source: null });

  // What SendGrid still says of it brings nothing back.
  await service.tell([sgEvent({ id: bounced, to: person }, 'spamreport', { reason: `<${person}> complained` })]);
  await service.reaches('bounced', 'complained');
  expect(await found(person)).toEqual(suppressed);
}, 60_000);

it('is asked for by an administrator, with an address', async () => {
  const body = { recipient: 'a@example.com' };
  expect((await service.api('/v1/erasures', { body, reader: true })).status).toBe(403);
  expect((await service.api('/v1/erasures', { body, anonymous: true })).status).toBe(401);
  expect(await erase('+14155550199')).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/recipient' }] } });
});

it('a tenant of whose emails too many wait is told to come again, over HTTP at once and over Kafka by the dead letters', async () => {
  await service.writeTenants({
    sendgrid: {
      apiKey: 'env:SPEC_SENDGRID_KEY',
      baseUrl: service.sendgrid.url,
      from: 'no-reply@demo.example',
      quotas: { maxWaiting: 5 },
    },
  });
  const ask = (idempotencyKey: string) =>
    service.api('/v1/emails', {
      body: { idempotencyKey, to: 'a@example.com', subject: 'x', text: 'x', sendAt: later() },
    });
  await ask('first');
  await eventually(async () => expect((await ask(randomUUID())).status).toBe(429));
  expect((await ask('first')).status).toBe(422);
  const late = randomUUID();
  await service.command({ idempotencyKey: late });
  await eventually(() => expect(service.deadLetters).toContain(`${service.tenant}:${late}`));
  expect(service.states(late)).toEqual([]);
});
