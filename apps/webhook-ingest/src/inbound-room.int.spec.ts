import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, testKafka } from '@signalbox/testing';
import { type Edge, secretPath, startEdge } from './fixtures/edge.ts';

let edge: Edge;
const sockets: Socket[] = [];

beforeAll(async () => {
  const kafka = testKafka();
  edge = await startEdge(kafka.brokers, kafka.group('room'), { INBOUND_CONCURRENCY: '2' });
});
afterAll(() => edge?.stop());
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const type = 'multipart/form-data; boundary=x';
const part = (name: string, value: string, more = '') =>
  `--x\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const email = () => {
  const id = randomBytes(8).toString('hex');
  const fields =
    part('headers', `Message-ID: <${id}@example.com>\r\n`) + part('envelope', '{"to":["b@x"],"from":"a@x"}');
  return Buffer.from(`${fields}${part('text', 'Hi')}--x--\r\n`);
};
const post = (path: string, body: Uint8Array, headers: Record<string, string>) =>
  fetch(edge.service.url + path, { method: 'POST', headers: { 'content-type': type, ...headers }, body });

/** Sends the head of a post and no more of it than this. */
function begin(path: string, headers: Record<string, string>, length: number, first = ''): Socket {
  const socket = connect(Number(new URL(edge.service.url).port), '127.0.0.1');
  sockets.push(socket);
  const lines = Object.entries({ host: 'edge', 'content-type': type, 'content-length': String(length), ...headers });
  socket.on('error', () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n${first}`);
  return socket;
}
const staged = async () => (await readdir(join(edge.folder, 'blobs', 'staging'))).length;

describe('room for inbound email', () => {
  it('is not for one source alone: its second post waits unread; who shows the secret path does not', async () => {
    const attached = part('attachment1', 'a'.repeat(100_000), '; filename="a"');
    const unending = begin(
      '/sendgrid/inbound',
      edge.tenant.sendgrid(Buffer.from('x')),
      10_000_000,
      attached.slice(0, -9),
    );
    await eventually(async () => expect(await staged()).toBe(1));

    let answered = false;
    const body = email();
    const waiting = post('/sendgrid/inbound', body, edge.tenant.sendgrid(body)).then((answer) => {
      answered = true;
      return answer;
    });
    for (let i = 0; i < 20; i++) expect((await post(`/sendgrid/inbound/${secretPath}`, email(), {})).status).toBe(204);
    expect(answered).toBe(false);
    unending.destroy();
    expect((await waiting).status).toBe(204);
    await eventually(async () => expect(await staged()).toBe(0));
  });

  it('takes nothing that says it is too large, nor what has nothing to prove itself with', async () => {
    const signed = edge.tenant.sendgrid(Buffer.from('x'));
    expect(await text(begin('/sendgrid/inbound', signed, 40_000_000))).toMatch(/^HTTP\/1.1 413 /);
    expect(await text(begin('/sendgrid/inbound', {}, 1_000_000))).toMatch(/^HTTP\/1.1 403 /);
  });
});
