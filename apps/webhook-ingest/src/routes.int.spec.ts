import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { BlobNotFound, BlobStore } from '@signalbox/blob-store';
import { eventually, testKafka } from '@signalbox/testing';
import { type Edge, secretPath, startEdge, type StoredRecord } from './fixtures/edge.ts';

let edge: Edge;
beforeAll(async () => {
  const kafka = testKafka();
  edge = await startEdge(kafka.brokers, kafka.group('routes'));
});
afterAll(() => edge?.stop());

const hex = () => randomBytes(16).toString('hex');
const post = (path: string, init: RequestInit) => fetch(edge.service.url + path, { method: 'POST', ...init });

function arrived(matching: (record: StoredRecord) => boolean, count = 1): Promise<StoredRecord[]> {
  return eventually(() => {
    const found = edge.stored.filter(matching);
    expect(found).toHaveLength(count);
    return found;
  });
}

describe("Twilio's routes", () => {
  it.each<[string, (sid: string) => string, string]>([
    ['/twilio/sms/status', (sid) => `MessageSid=${sid}&MessageStatus=sent`, 'callbacks.twilio.message.v1'],
    [
      '/twilio/sms/inbound',
      (sid) => `MessageSid=${sid}&From=%2B14155550199&To=55501&Body=Hi`,
      'callbacks.twilio.inbound.v1',
    ],
    ['/twilio/voice/status', (sid) => `CallSid=${sid}&CallStatus=ringing`, 'callbacks.twilio.call.v1'],
    ['/twilio/voice/recording', (sid) => `RecordingSid=${sid}&RecordingStatus=completed`, 'callbacks.twilio.call.v1'],
    [
      '/twilio/voice/transcription',
      (sid) => `TranscriptionSid=${sid}&TranscriptionStatus=failed`,
      'callbacks.twilio.call.v1',
    ],
    ['/twilio/verify/events', (sid) => `factor_sid=${sid}&type=factor.verified&uuid=1`, 'callbacks.twilio.verify.v1'],
    ['/twilio/studio/events', (sid) => `ExecutionSid=${sid}`, 'callbacks.twilio.studio.v1'],
    ['/twilio/debugger', (sid) => `Sid=${sid}&Level=ERROR`, 'callbacks.twilio.debugger.v1'],
  ])('a form to %s', async (path, body, topic) => {
    const sid = `XX${hex()}`;
    const answer = await post(path, edge.tenant.form(path, `${body(sid)}&AccountSid=${edge.tenant.accountSid}`));
    expect(answer.status).toBe(path === '/twilio/sms/inbound' ? 200 : 204);
    expect(await arrived(({ data }) => data['resourceSid'] === sid)).toMatchObject([{ topic }]);
  });

  it('a batch of Event Streams, under the ids of the webhooks', async () => {
    const sid = `SM${hex()}`;
    const { accountSid } = edge.tenant;
    const event = (data: object) => ({
      specversion: '1.0',
      id: hex(),
      type: 'com.twilio.messaging.message.sent',
      data,
    });
    const good = event({ accountSid, messageSid: sid, messageStatus: 'SENT' });
    const [target, init] = edge.tenant.json('/twilio/events', [good, event({ accountSid })]);
    expect((await post(target, init)).status).toBe(204);
    const webhook = edge.tenant.form(
      '/twilio/sms/status',
      `MessageSid=${sid}&MessageStatus=sent&AccountSid=${accountSid}`,
    );
    expect((await post('/twilio/sms/status', webhook)).status).toBe(204);
    const both = await arrived(({ data }) => data['resourceSid'] === sid, 2);
    expect(both.map(({ headers }) => headers['ce_id'])).toEqual(Array(2).fill(`${accountSid}/${sid}/sent//`));
    expect(await arrived(({ topic }) => topic === 'callbacks.twilio.message.v1.dlq')).toMatchObject([
      { headers: { sb_dlq_reason: 'com.twilio.messaging.message.sent without MessageSid' } },
    ]);
  });

  it.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is no way to call back', async (method) => {
    for (const path of ['/twilio/voice/status', '/twilio/events', '/sendgrid/events', '/sendgrid/inbound'])
      expect((await post(path, { method })).status).toBe(404);
  });
});

describe('/sendgrid/events', () => {
  const path = '/sendgrid/events';
  const event = (id: string, more: object = {}) => ({
    email: 'a@example.com',
    event: 'delivered',
    timestamp: 1_795_543_200,
    sg_event_id: id,
    sg_message_id: `${id}.filter0001`,
    ...more,
  });
  const send = (body: Uint8Array, headers: Record<string, string> = {}, query = '') =>
    post(path + query, { headers: { 'content-type': 'application/json', ...headers }, body });

  it('publishes 4,999 of 5,000 events and buries the one that is malformed', async () => {
    const run = hex();
    const events = Array.from({ length: 5000 }, (_, i) =>
      i === 2500 ? '{"event":open}' : JSON.stringify(event(`${run}-${i}`)),
    );
    const body = Buffer.from(`[${events.join(',\r\n')}]\r\n`);
    expect((await send(body, edge.tenant.sendgrid(body))).status).toBe(204);
    const ours = ({ data }: StoredRecord) => String(data['eventId']).startsWith(run);
    const records = await arrived(ours, 4999);
    expect(new Set(records.map(({ headers }) => headers['ce_id'])).size).toBe(4999);
    expect(await arrived(({ topic }) => topic === 'callbacks.sendgrid.event.v1.dlq')).toMatchObject([
      { value: '{"event":open}', headers: { sb_dlq_topic: 'callbacks.sendgrid.event.v1' } },
    ]);
  });

  it.each(['what is zipped', 'what it holds'])('takes a zipped batch with the signature over %s', async (signed) => {
    const id = hex();
    const plain = Buffer.from(JSON.stringify([event(id)]));
    const zipped = gzipSync(plain);
    const headers = edge.tenant.sendgrid(signed === 'what is zipped' ? zipped : plain);
    const answer = await send(zipped, { ...headers, 'content-encoding': 'gzip' }, `?tenant=${edge.tenant.name}`);
    expect(answer.status).toBe(204);
    await arrived(({ data }) => data['eventId'] === id);
  });

  const body = Buffer.from(JSON.stringify([event('x')]));
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  it.each<[string, number, () => Promise<Response>]>([
    ['no signature', 403, () => send(body)],
    ["a stranger's", 403, () => send(body, edge.tenant.sendgrid(body, stranger))],
    ['one of another body', 403, () => send(body, edge.tenant.sendgrid(Buffer.from('[]')))],
    ['re-serialised JSON', 403, () => send(Buffer.from('[ ]'), edge.tenant.sendgrid(Buffer.from('[]')))],
    ['no array', 400, () => send(Buffer.from('{}'), edge.tenant.sendgrid(Buffer.from('{}')))],
    ['an encoding that is none', 415, () => send(body, { ...edge.tenant.sendgrid(body), 'content-encoding': 'br' })],
    ['gzip that is none', 400, () => send(body, { ...edge.tenant.sendgrid(body), 'content-encoding': 'gzip' })],
    [
      'a gzip bomb',
      413,
      () => {
        const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
        return send(bomb, { ...edge.tenant.sendgrid(bomb), 'content-encoding': 'gzip' });
      },
    ],
    ['9 MB', 413, () => send(Buffer.alloc(9 * 1024 * 1024, ' '))],
    [
      'a form',
      415,
      () => post(path, { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=1' }),
    ],
  ])('%s is answered %i', async (_label, status, sending) => {
    expect((await sending()).status).toBe(status);
  });
});

describe('/sendgrid/inbound', () => {
  const boundary = 'xYzZY';
  const contentType = `multipart/form-data; boundary=${boundary}`;
  const part = (name: string, value: string, more = '') =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const email = (id: string, more = '') =>
    Buffer.from(
      part('headers', `Message-ID: <${id}@example.com>\r\nSubject: Hi\r\n`) +
        part('envelope', '{"to":["support@parse.example.net"],"from":"a@example.com"}') +
        part('subject', 'Hi') +
        part('text', 'Where is my order?') +
        more +
        `--${boundary}--\r\n`,
    );
  const send = (path: string, body: Uint8Array, headers: Record<string, string> = {}) =>
    post(path, { headers: { 'content-type': contentType, ...headers }, body });
  const blobs = async () => {
    const entries = await readdir(join(edge.folder, 'blobs'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  };

  it('takes a signed email of 20 MB; its attachment is in the blob store and not in the record', async () => {
    const id = hex();
    const before = await blobs();
    const attachment = 'a'.repeat(20 * 1024 * 1024);
    const body = email(
      id,
      part('attachment-info', '{"attachment1":{"filename":"a.txt","type":"text/plain"}}') +
        part('attachments', '1') +
        part('attachment1', attachment, '; filename="a.txt"\r\nContent-Type: text/plain'),
    );
    expect((await send('/sendgrid/inbound', body, edge.tenant.sendgrid(body))).status).toBe(204);
    const [record] = await arrived(({ data }) => data['resourceSid'] === `<${id}@example.com>`);
    expect(record).toMatchObject({
      topic: 'callbacks.sendgrid.inbound.v1',
      key: 'a@example.com',
      data: {
        from: 'a@example.com',
        to: ['support@parse.example.net'],
        text: 'Where is my order?',
        attachments: [{ filename: 'a.txt', bytes: attachment.length }],
      },
    });
    expect(await blobs()).toBe(before + 1);
  });

  it('removes attachments that have grown old, orphans or not, and keeps younger ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blobs-'));
    const store = await BlobStore.open(folder);
    const blobOf = async (ageDays: number) => {
      const blob = await store.stage(Readable.from([Buffer.from('attached')]));
      await blob.commit();
      const written = Date.now() / 1000 - ageDays * 24 * 60 * 60;
      await utimes(join(folder, blob.key.slice(0, 2), blob.key), written, written);
      return blob.key;
    };
    const [old, young] = [await blobOf(4), await blobOf(2)];
    const kafka = testKafka();
    const more = { BLOB_DIR: folder, BLOB_MAX_AGE_DAYS: '3' };
    const other = await startEdge(kafka.brokers, kafka.group('retention'), more);
    try {
      await eventually(async () => {
        const metrics = await (await fetch(`${other.service.url}/metrics`)).text();
        expect(metrics).toMatch(/^signalbox_blobs_removed_total 1$/m);
        expect(metrics).toMatch(/^signalbox_blobs 1$/m);
        expect(metrics).toMatch(/^signalbox_blob_bytes 8$/m);
      });
      await expect(store.get(old)).rejects.toThrow(BlobNotFound);
      expect((await buffer(await store.get(young))).toString()).toBe('attached');
    } finally {
      await other.stop();
      await rm(folder, { recursive: true });
    }
  });

  it('takes an unsigned one at its secret path', async () => {
    const id = hex();
    expect((await send(`/sendgrid/inbound/${secretPath}`, email(id))).status).toBe(204);
    await arrived(({ data }) => data['resourceSid'] === `<${id}@example.com>`);
  });

  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const attached = () => email(hex(), part('attachment1', 'a'.repeat(100_000), '; filename="a"\r\nContent-Type: a/b'));
  it.each<[string, number, () => Promise<Response>]>([
    ['no signature', 403, () => send('/sendgrid/inbound', attached())],
    [
      "a stranger's signature",
      403,
      () => {
        const body = attached();
        return send('/sendgrid/inbound', body, edge.tenant.sendgrid(body, stranger));
      },
    ],
    ['another secret', 403, () => send(`/sendgrid/inbound/${secretPath}x`, attached())],
    [
      'no multipart',
      415,
      () => post('/sendgrid/inbound', { headers: { 'content-type': 'application/json' }, body: '{}' }),
    ],
    ['half a multipart', 400, () => send(`/sendgrid/inbound/${secretPath}`, attached().subarray(0, 50_000))],
    [
      'no email',
      400,
      () => send(`/sendgrid/inbound/${secretPath}`, Buffer.from(`${part('a', 'b')}--${boundary}--\r\n`)),
    ],
    [
      '40 MB',
      413,
      () =>
        send(`/sendgrid/inbound/${secretPath}`, email(hex(), part('attachment1', 'a'.repeat(4e7), '; filename="a"'))),
    ],
    [
      '40 MB where no multipart is taken',
      415,
      () => send('/twilio/sms/status', email(hex(), part('attachment1', 'a'.repeat(4e7), '; filename="a"'))),
    ],
  ])('%s is answered %i and leaves no blob', async (_label, status, sending) => {
    const before = await blobs();
    expect((await sending()).status).toBe(status);
    expect(await blobs()).toBe(before);
  });
});
