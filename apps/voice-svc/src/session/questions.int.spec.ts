import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpQuestion } from '../flow/verbs.ts';
import { Questions } from './questions.ts';

describe('questions of http nodes', () => {
  let server: Server;
  let port: number;
  let respond: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const seen: { url: string | undefined; headers: IncomingMessage['headers']; body: string }[] = [];
  const inside = new Questions({
    privateRanges: ['127.0.0.1'],
    headersOf: (tenant, host): Record<string, string> =>
      tenant === 'demo' && host === `127.0.0.1:${port}` ? { authorization: 'Bearer secret' } : {},
  });
  const outside = new Questions({ privateRanges: [], headersOf: () => ({}) });

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.push({ url: request.url, headers: request.headers, body });
        respond(request, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(async () => {
    await inside.close();
    await outside.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const question = (changes: Partial<HttpQuestion> = {}): HttpQuestion => ({
    node: 'crm',
    method: 'GET',
    url: `http://127.0.0.1:${port}/people?x=1`,
    timeoutMs: 2_000,
    maxBytes: 1_000,
    ...changes,
  });

  it('are asked with the secrets of that host, and answered with JSON', async () => {
    respond = (_request, response) => void response.end('{"name":"Ann"}');
    const answer = await inside.ask('demo', question({ method: 'POST', body: { a: 'b' } }), 'key-1', 5_000);
    expect(answer).toEqual({ ok: true, json: { name: 'Ann' } });
    expect(seen.at(-1)).toMatchObject({
      url: '/people?x=1',
      body: '{"a":"b"}',
      headers: { authorization: 'Bearer secret', 'idempotency-key': 'key-1', 'content-type': 'application/json' },
    });
    await inside.ask('other', question(), 'key-2', 5_000);
    expect(seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['a status that is no success', (response) => void response.writeHead(500).end('{}')],
    ['a redirect', (response) => void response.writeHead(302, { location: 'http://169.254.169.254/' }).end()],
    ['no JSON', (response) => void response.end('<html>')],
    ['too much', (response) => void response.end(JSON.stringify('x'.repeat(2_000)))],
    ['no answer', () => undefined],
    ['half an answer', (response) => void response.writeHead(200, { 'content-length': '50' }).write('{')],
  ])('have no answer in %s', async (_label, answer) => {
    respond = (_request, response) => answer(response);
    await expect(inside.ask('demo', question({ timeoutMs: 300 }), 'key', 5_000)).rejects.toThrow();
  });

  it('take no longer than what is left for the caller', async () => {
    respond = () => undefined;
    await expect(inside.ask('demo', question({ timeoutMs: 60_000 }), 'key', 100)).rejects.toThrow(/timeout|aborted/i);
  });

  it.each([
    ['a private address', () => `https://127.0.0.1:${port}/`],
    ['the metadata of a cloud', () => 'http://169.254.169.254/latest/meta-data'],
    ['an address in another spelling', () => `https://2130706433:${port}/`],
    ['a mapped address', () => `https://[::ffff:127.0.0.1]:${port}/`],
    ['a name that leads inside', () => `https://localhost:${port}/`],
    ['plain http', () => `http://127.0.0.1:${port}/`],
    ['credentials', () => `https://user:secret@example.com/`],
    ['another scheme', () => 'ftp://example.com/'],
  ])('are not put to %s', async (_label, url) => {
    const before = seen.length;
    await expect(outside.ask('demo', question({ url: url() }), 'key', 1_000)).rejects.toThrow(
      /may not be asked|not https|credentials/,
    );
    expect(seen).toHaveLength(before);
  });
});
