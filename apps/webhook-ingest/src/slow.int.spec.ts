import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testKafka } from '@signalbox/testing';
import { type Edge, secretPath, startEdge } from './fixtures/edge.ts';

let edge: Edge;
beforeAll(async () => {
  const kafka = testKafka();
  edge = await startEdge(kafka.brokers, kafka.group('slow'), {}, { headersTimeoutMs: 600, requestTimeoutMs: 1_200 });
});
afterAll(() => edge?.stop());

/**
 * Writes what comes first at once, and then `drip` over and over for as long as it is let.
 * @returns what was answered, once the other side has closed
 */
function dribble(first: string, drip: string): Promise<string> {
  const { port } = new URL(edge.service.url);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(first));
    const dripping = setInterval(() => socket.writable && socket.write(drip), 20);
    socket.on('data', (chunk) => (answer += String(chunk)));
    // Writing to what the other side has closed; that it has is what is waited for.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearInterval(dripping);
      resolve(answer);
    });
  });
}

const head = (path: string, type: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: edge\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n`;
const form = 'application/x-www-form-urlencoded';
const multipart = 'multipart/form-data; boundary=xYzZY';
const attachment =
  '--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="a"\r\nContent-Type: a/b\r\n\r\n';

const slow: readonly (readonly [label: string, first: string, drip: string])[] = [
  ['nothing at all', '', ''],
  ['half a request line', 'POST /twilio/sms/status HT', ''],
  ['headers without end', head('/twilio/sms/status', form, 10), 'X-More: 1\r\n'],
  ['a form byte by byte', `${head('/twilio/sms/status', form, 100_000)}\r\n`, 'a'],
  ['JSON byte by byte', `${head('/twilio/events', 'application/json', 100_000)}\r\n`, '['],
  ['a batch of events byte by byte', `${head('/sendgrid/events', 'application/json', 100_000)}\r\n`, '['],
  ['an email byte by byte', `${head(`/sendgrid/inbound/${secretPath}`, multipart, 1e7)}\r\n${attachment}`, 'a'],
  [
    'a second request that never ends',
    `GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n${head('/twilio/events', form, 9)}`,
    'X-More: 1\r\n',
  ],
];

async function callback(): Promise<number> {
  const path = '/twilio/sms/status';
  const body = `MessageSid=SM${randomBytes(16).toString('hex')}&MessageStatus=sent&AccountSid=${edge.tenant.accountSid}`;
  return (await fetch(edge.service.url + path, edge.tenant.form(path, body))).status;
}

describe('who takes too long', () => {
  it.each(slow)('%s: is cut off', async (_label, first, drip) => {
    const answers = (await dribble(first, drip)).match(/^HTTP\/1\.1 \d+/gm) ?? [];
    // An answer may get lost when its connection is closed while more is coming in.
    expect(answers.filter((answer) => answer !== 'HTTP/1.1 200').join() || 'HTTP/1.1 408').toBe('HTTP/1.1 408');
  });

  it('leaves no half of an attachment', async () => {
    const entries = await readdir(join(edge.folder, 'blobs'), { recursive: true, withFileTypes: true });
    expect(entries.filter((entry) => entry.isFile())).toEqual([]);
  });

  it('does not keep others waiting', async () => {
    let open = 0;
    const closed = Array.from({ length: 400 }, async (_, i) => {
      const [, first, drip] = slow[i % slow.length] ?? ['', '', ''];
      open++;
      await dribble(first, drip);
      open--;
    });
    const statuses = new Set<number>();
    while (open > 0) statuses.add(await callback());
    await Promise.all(closed);
    expect([...statuses]).toEqual([204]);
  });
});
