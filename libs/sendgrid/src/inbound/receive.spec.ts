import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { BlobStore } from '@signalbox/blob-store';
import { decode, toHeaders, topics } from '@signalbox/contracts';
import {
  basic,
  contentType,
  type FormPart,
  formBody,
  manyCharsets,
  rawMime,
  withAttachments,
} from '../fixtures/inbound.ts';
import { sign } from '../signature.ts';
import { inboundLimits, type InboundRequest, type InboundResult, receiveInboundEmail } from './receive.ts';
import { toInboundRecord } from './record.ts';

const context = { tenant: 'demo', receivedAt: '2026-11-24T18:00:00.123Z' };
let directory: string;
let blobs: BlobStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inbound-'));
  blobs = await BlobStore.open(directory);
});
afterEach(() => rm(directory, { recursive: true }));

async function blobsLeft(): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

/** In chunks that cut boundaries, headers and characters. */
function stream(body: Buffer, chunkBytes = 7): Readable {
  const chunks = function* () {
    for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
  };
  return Readable.from(chunks(), { objectMode: false });
}

const receive = (body: Buffer, change: Partial<InboundRequest> = {}, limits = inboundLimits) =>
  receiveInboundEmail({ body: stream(body, Math.max(7, body.length >>> 10)), contentType, ...change }, blobs, limits);

function accepted(result: InboundResult) {
  if (!result.ok) throw new Error(result.why);
  return result;
}
const emailOf = async (parts: readonly FormPart[]) => accepted(await receive(formBody(parts))).email;
const replaced = (parts: readonly FormPart[], ...others: FormPart[]) => [
  ...parts.filter(({ name }) => !others.some((other) => other.name === name)),
  ...others,
];

async function contentOf(key: string | undefined): Promise<Buffer> {
  return buffer(await blobs.get(key ?? ''));
}

describe('an email', () => {
  it('is read with its fields', async () => {
    const email = await emailOf(basic);
    expect(email).toEqual({
      resourceSid: '<CAEPk3R+4Zr@mail.example.org>',
      correlationId: null,
      status: 'received',
      providerTime: null,
      errorCode: null,
      from: 'envelope-from@example.org',
      to: ['test@inbound.example.com'],
      subject: 'Test subject',
      text: 'Test body plain',
      html: '<div>Test body html</div>',
      raw: null,
      attachments: [],
      params: Object.fromEntries(
        basic
          .filter(({ name }) => !['subject', 'text', 'html'].includes(name))
          .map(({ name, content }) => [name, content]),
      ),
    });
    expect(await blobsLeft()).toBe(0);
  });

  it('is decoded field by field, by the charsets that come after the fields', async () => {
    expect(await emailOf(manyCharsets)).toMatchObject({
      subject: 'Como usted pidió',
      text: 'Test the ESP’s inbound charset handling…',
      html: '<p>¿Esto se ve como esperabas?</p>',
      from: 'sender@example.com',
      to: ['inbound@sg.example.com'],
      params: { to: 'Récipiendaire précieux <inbound@sg.example.com>' },
    });
  });

  it('leaves its attachments in the blob store, with what attachment-info says of them', async () => {
    const { attachments } = await emailOf(withAttachments);
    expect(attachments).toMatchObject([
      { filename: 'tést.txt', contentType: 'text/plain', contentId: null, bytes: 15 },
      { filename: 'image.png', contentType: 'image/png', contentId: 'abc123', bytes: 10 },
      { filename: 'forwarded.msg', contentType: 'message/rfc822', contentId: null },
      { filename: 'old.jpg', contentType: 'image/jpeg', contentId: 'old@1', bytes: 0 },
    ]);
    for (const [index, { blob, sha256 }] of attachments.entries()) {
      const sent = Buffer.from(
        withAttachments.find(({ name }) => name === `attachment${index + 1}`)?.content ?? 'none',
      );
      expect(await contentOf(blob)).toEqual(sent);
      expect(sha256).toBe(createHash('sha256').update(sent).digest('hex'));
    }
    expect(await blobsLeft()).toBe(4);
  });

  it('names attachments by their own headers where there is no attachment-info', async () => {
    const parts = withAttachments.filter(({ name }) => name !== 'attachment-info' && name !== 'content-ids');
    expect((await emailOf(parts)).attachments).toMatchObject([
      { filename: 'test.txt', contentType: 'text/plain', contentId: null },
      { filename: 'image.png', contentType: 'image/png' },
      { filename: null },
      { filename: 'passwd' },
    ]);
  });

  it('leaves its MIME source in the blob store with the raw option, and takes the id from its header', async () => {
    const email = await emailOf(rawMime);
    expect(email).toMatchObject({ resourceSid: '<CAEPk3RKEx@mail.example.org>', text: null, html: null });
    expect(email.raw).toMatchObject({ contentType: 'message/rfc822' });
    expect((await contentOf(email.raw?.blob)).toString()).toBe(rawMime[1]?.content);
    expect(email.params).not.toHaveProperty('email');
    expect(email.params['headers']).toMatch(
      /^From: A tester <test@example\.org>\r\n[^]*Content-Type: multipart[^\r]*$/,
    );
  });

  it('without a Message-ID has a digest, whatever the order of its parts', async () => {
    const anonymous = replaced(basic, { name: 'headers', content: 'Subject: none\n' });
    const { resourceSid } = await emailOf(anonymous);
    expect(resourceSid).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect((await emailOf([...anonymous].reverse())).resourceSid).toBe(resourceSid);
    expect((await emailOf(replaced(anonymous, { name: 'text', content: 'other' }))).resourceSid).not.toBe(resourceSid);
  });

  it.each([
    ['a bounce', '{"to":["a@example.com"],"from":""}', '', ['a@example.com']],
    [
      'an envelope with one recipient as text',
      '{"to":"a@example.com","from":"b@example.com"}',
      'b@example.com',
      ['a@example.com'],
    ],
    ['an envelope that is not JSON', 'x', 'from+test@example.org', ['test@inbound.example.com']],
    ['an envelope that is null', 'null', 'from+test@example.org', ['test@inbound.example.com']],
  ])('%s has sender and recipients', async (_label, content, from, to) => {
    expect(await emailOf(replaced(basic, { name: 'envelope', content }))).toMatchObject({ from, to });
  });

  it('keeps names that an object has by itself, and of two fields of one name the first', async () => {
    const { params } = await emailOf([...basic, { name: '__proto__', content: 'x' }, { name: 'SPF', content: 'fail' }]);
    expect(Object.getOwnPropertyDescriptor(params, '__proto__')?.value).toBe('x');
    expect(params['SPF']).toBe('pass');
  });
});

describe('a record', () => {
  const recordOf = async (parts: readonly FormPart[]) => toInboundRecord(await emailOf(parts), context);

  it.each([
    ['basic', basic],
    ['raw', rawMime],
    ['with attachments', withAttachments],
    ['in many charsets', manyCharsets],
  ])('keeps its contract: %s', async (_label, parts) => {
    const { event } = await recordOf(parts);
    expect(decode(topics.sendgridInboundCallbacks, toHeaders(event), JSON.stringify(event.data))).toMatchObject({
      ok: true,
    });
  });

  it('has one id for one email, another for another recipient', async () => {
    const first = await recordOf(withAttachments);
    expect(first.key).toBe('envelope-from@example.org');
    expect((await recordOf(withAttachments)).event.id).toBe(first.event.id);
    const copy = replaced(withAttachments, {
      name: 'envelope',
      content: '{"to":["b@example.com"],"from":"envelope-from@example.org"}',
    });
    expect((await recordOf(copy)).event.id).not.toBe(first.event.id);
  });

  it('of a bounce is keyed by its recipient', async () => {
    const bounce = replaced(basic, { name: 'envelope', content: '{"to":["a@example.com"],"from":""}' });
    expect((await recordOf(bounce)).key).toBe('a@example.com');
  });

  it('has the beginning of a long body, and the key of the blob with all of it', async () => {
    const html = `<p>${'é'.repeat(400_000)}</p>`;
    const { email } = accepted(await receive(formBody(replaced(basic, { name: 'html', content: html }))));
    expect(email.html?.length).toBeGreaterThan(50_000);
    expect(html.startsWith(email.html ?? 'none')).toBe(true);
    expect((await contentOf(email.params['sb_html_blob'])).toString()).toBe(html);
    expect(email.params).not.toHaveProperty('sb_text_blob');
  });

  it('stays below 1 MB whatever the sender does, and loses nothing', async () => {
    const control = Buffer.alloc(250_000, 1);
    const name = '\\u20ac'.repeat(3000);
    const attachments = Array.from({ length: 250 }, (_, index) => `attachment${index + 1}`);
    const info = attachments.map((part) => `"${part}":{"filename":"${name}","type":"${name}","content-id":"${name}"}`);
    const parts = replaced(
      basic,
      ...['text', 'html', 'headers', 'spam_report', 'cc', 'to', 'from', 'subject'].map((field) => ({
        name: field,
        content: control,
      })),
      { name: 'attachment-info', content: `{${info.slice(0, 4).join(',')}}` },
      ...attachments.map((part) => ({
        name: part,
        filename: '€'.repeat(150),
        type: 'x/'.padEnd(150, 'y'),
        content: 'x',
      })),
    );
    const { email } = accepted(await receive(formBody(parts)));
    const { event } = toInboundRecord(email, context);
    expect(Buffer.byteLength(JSON.stringify(event.data))).toBeLessThan(900_000);
    for (const field of ['text', 'html', 'spam_report', 'subject'])
      expect(await contentOf(email.params[`sb_${field}_blob`])).toEqual(control);
  });
});

describe('a signed email', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeys = [publicKey.export({ type: 'spki', format: 'pem' }).toString()];
  const rawBody = formBody(withAttachments);
  const timestamp = '1764010000';
  const signature = { timestamp, publicKeys, signature: sign({ rawBody, timestamp, privateKey }) };

  it('is accepted by the key that matched', async () => {
    expect(await receive(rawBody, { signature })).toMatchObject({ ok: true, keyIndex: 0 });
    expect(await blobsLeft()).toBe(4);
  });

  it.each([
    [
      'is changed',
      Buffer.from(rawBody.toString('latin1').replace('Test body plain', 'Best body plain'), 'latin1'),
      {},
      'signature_mismatch',
    ],
    ['has something after its end', Buffer.concat([rawBody, Buffer.from('x')]), {}, 'signature_mismatch'],
    ['is signed for another time', rawBody, { timestamp: '1764010001' }, 'signature_mismatch'],
    ['has no signature', rawBody, { signature: undefined }, 'signature_missing'],
    ['has a malformed signature', rawBody, { signature: 'x' }, 'signature_malformed'],
  ])('that %s is refused and leaves no blob', async (_label, body, change, why) => {
    expect(await receive(body, { signature: { ...signature, ...change } })).toEqual({ ok: false, why });
    expect(await blobsLeft()).toBe(0);
  });

  it('is not read at all when its headers are wrong', async () => {
    const body = stream(rawBody);
    await receive(rawBody, { body, signature: { ...signature, signature: undefined } });
    expect(body.readableDidRead).toBe(false);
  });
});

describe('what is refused, and leaves no blob', () => {
  const body = formBody(withAttachments);
  const manyParts = Array.from({ length: 301 }, (_, index) => ({ name: `f${index}`, content: 'x' }));

  it.each<[string, Buffer, Partial<InboundRequest>, string]>([
    ['nothing', Buffer.alloc(0), {}, 'malformed'],
    ['text', Buffer.from('hello'), {}, 'malformed'],
    [
      'lines that end in LF alone',
      Buffer.from(body.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
      {},
      'malformed',
    ],
    ['another boundary', body, { contentType: 'multipart/form-data; boundary=other' }, 'malformed'],
    ['no boundary', body, { contentType: 'multipart/form-data' }, 'not_multipart'],
    ['a boundary too long', body, { contentType: `multipart/form-data; boundary=${'x'.repeat(300)}` }, 'not_multipart'],
    ['a urlencoded form', Buffer.from('from=a'), { contentType: 'application/x-www-form-urlencoded' }, 'not_multipart'],
    ['JSON', Buffer.from('[]'), { contentType: 'application/json' }, 'not_multipart'],
    ['no content type', body, { contentType: undefined }, 'not_multipart'],
    ['a field with a name nobody gives', formBody([...basic, { name: 'a b', content: 'x' }]), {}, 'malformed'],
    ['301 parts', formBody([...withAttachments, ...manyParts]), {}, 'too_many_parts'],
    [
      'a form that is no email',
      formBody([
        { name: 'a', content: 'b' },
        { name: 'attachment1', content: 'b' },
      ]),
      {},
      'not_an_email',
    ],
    ['an empty form', Buffer.from('--xYzZY--\r\n'), {}, 'not_an_email'],
  ])('%s: %p', async (_label, given, change, why) => {
    expect(await receive(given, change)).toEqual({ ok: false, why });
    expect(await blobsLeft()).toBe(0);
  });

  it('too many recipients', async () => {
    const to = Array.from({ length: 5000 }, (_, index) => `${index}@inbound.example.com`);
    const parts = replaced(withAttachments, {
      name: 'envelope',
      content: JSON.stringify({ to, from: 'a@example.com' }),
    });
    expect(await receive(formBody(parts))).toEqual({ ok: false, why: 'too_large' });
    expect(await blobsLeft()).toBe(0);
  });

  it('a body wherever it breaks off', async () => {
    for (let end = 0; end < body.length - '--\r\n'.length; end += 13)
      expect([end, await receive(body.subarray(0, end))]).toEqual([end, { ok: false, why: 'malformed' }]);
    expect(await blobsLeft()).toBe(0);
  });

  it('a connection that breaks off', async () => {
    const broken = async function* () {
      yield body.subarray(0, -100);
      throw new Error('ECONNRESET');
    };
    expect(await receive(body, { body: Readable.from(broken(), { objectMode: false }) })).toEqual({
      ok: false,
      why: 'aborted',
    });
    expect(await blobsLeft()).toBe(0);
  });

  it('a body above the limit, without reading what is beyond it', async () => {
    let chunks = 0;
    const endless = function* () {
      yield body.subarray(0, -'\r\n--xYzZY--\r\n'.length);
      for (; ; chunks++) yield Buffer.alloc(1000);
    };
    const source = Readable.from(endless(), { objectMode: false, highWaterMark: 1000 });
    const limits = { maxBytes: 100_000, maxParts: 300 };
    expect(await receive(body, { body: source }, limits)).toEqual({ ok: false, why: 'too_large' });
    expect(chunks).toBeLessThan(110);
    expect(source.destroyed).toBe(false);
    expect(await blobsLeft()).toBe(0);
  });

  it('an attachment the store does not take', async () => {
    const directoryOfSmall = join(directory, 'small');
    const small = await BlobStore.open(directoryOfSmall, { maxBytes: 12 });
    expect(await receiveInboundEmail({ body: stream(body), contentType }, small)).toEqual({
      ok: false,
      why: 'too_large',
    });
    expect(await blobsLeft()).toBe(0);
  });
});

describe('what is ours', () => {
  it('throws when the store fails, and leaves no blob', async () => {
    let staged = 0;
    const failing: Pick<BlobStore, 'stage'> = {
      stage: (source) => (++staged === 3 ? Promise.reject(new Error('ENOSPC')) : blobs.stage(source)),
    };
    const body = formBody(withAttachments);
    await expect(receiveInboundEmail({ body: stream(body), contentType }, failing)).rejects.toThrow('ENOSPC');
    expect(staged).toBe(3);
    expect(await blobsLeft()).toBe(0);
  });

  it('can be undone', async () => {
    const { discard } = accepted(await receive(formBody(withAttachments)));
    await discard();
    expect(await blobsLeft()).toBe(0);
  });

  it('reads no faster than the store writes', async () => {
    const megabytes = 20;
    let read = 0;
    let ahead = 0;
    const head = formBody([...basic, { name: 'attachment1', filename: 'a', content: '' }]).subarray(
      0,
      -'\r\n--xYzZY--\r\n'.length,
    );
    const large = function* () {
      yield head;
      for (; read < megabytes * 16; read++) yield Buffer.alloc(64 * 1024);
      yield Buffer.from('\r\n--xYzZY--\r\n');
    };
    let written = 0;
    const slow: Pick<BlobStore, 'stage'> = {
      stage: (source) =>
        blobs.stage(
          (async function* () {
            for await (const chunk of source) {
              written += chunk.length;
              // Whatever is going to be read without waiting for this chunk is read by then.
              await setImmediate();
              ahead = Math.max(ahead, read * 64 * 1024 - written);
              yield chunk;
            }
          })(),
        ),
    };
    const body = Readable.from(large(), { objectMode: false });
    const { email } = accepted(await receiveInboundEmail({ body, contentType }, slow));
    expect(email.attachments[0]?.bytes).toBe(megabytes * 1024 * 1024);
    expect(ahead).toBeLessThan(1024 * 1024);
  });
});
