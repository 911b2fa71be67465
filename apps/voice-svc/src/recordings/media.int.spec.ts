import { afterEach, describe, expect, it } from '@jest/globals';
import type { Tenant } from '@signalbox/tenants';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { VoiceConfig } from '../config.ts';
import { RecordingMedia } from './media.ts';

describe('the sound of a recording, from a provider that knows no ranges', () => {
  let server: Server;
  let media: RecordingMedia;

  afterEach(async () => {
    await media.onApplicationShutdown();
    server.close();
  });

  async function open(answer: RequestListener, range: string, hosts: readonly string[] = []) {
    server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const twilio = {
      accountSid: `AC${'0'.repeat(32)}`,
      apiKey: { sid: 'SK', secret: 'secret' },
      baseUrl: `http://127.0.0.1:${port}`,
    };
    media = new RecordingMedia({ PROVIDER_TIMEOUT_MS: 30_000, RECORDING_MEDIA_HOSTS: hosts } as unknown as VoiceConfig);
    return media.open({ twilio } as unknown as Tenant, `RE${'0'.repeat(32)}`, 'wav', range);
  }

  it('is cut to the part that was asked for', async () => {
    const opened = await open(
      (_request, response) => void response.setHeader('content-length', 10).end('0123456789'),
      'bytes=2-4',
    );
    if (opened.kind !== 'sound') throw new Error(opened.kind);
    const chunks = await opened.sound.body.toArray();
    expect(Buffer.concat(chunks as Buffer[]).toString()).toBe('234');
    expect(opened.sound.headers).toMatchObject({ 'content-length': '3', 'content-range': 'bytes 2-4/10' });
  });

  it('holds no connection to the provider for a listener who hangs up', async () => {
    let gone: Promise<unknown> | undefined;
    const size = 100_000_000;
    const opened = await open((request, response) => {
      gone = new Promise((resolve) => request.socket.once('close', resolve));
      // More than the buffers on the way take: it waits for somebody who reads.
      response.setHeader('content-length', size).write(Buffer.alloc(size));
    }, 'bytes=1-');
    if (opened.kind !== 'sound') throw new Error(opened.kind);
    await once(opened.sound.body, 'readable');
    opened.sound.body.destroy();
    await gone;
    expect(opened.sound.body.destroyed).toBe(true);
  });

  it('is fetched once more where the provider says it is now, without the credentials', async () => {
    const asked: (string | undefined)[] = [];
    const opened = await open(({ url, headers }, response) => {
      asked.push(headers.authorization);
      if (url === '/moved') response.setHeader('content-length', 10).end('0123456789');
      else response.writeHead(307, { location: '/moved' }).end();
    }, 'bytes=0-1');
    if (opened.kind !== 'sound') throw new Error(opened.kind);
    expect(Buffer.concat((await opened.sound.body.toArray()) as Buffer[]).toString()).toBe('01');
    expect(asked).toEqual([expect.stringMatching(/^Basic /), undefined]);
  });

  it('is not fetched from anywhere else, nor a third time', async () => {
    const away = await open(
      (_request, response) => void response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
      'bytes=0-1',
    );
    expect(away).toMatchObject({ kind: 'failed', status: 302, why: expect.stringContaining('RECORDING_MEDIA_HOSTS') });
    await media.onApplicationShutdown();
    server.close();
    let asked = 0;
    const circle = await open((_request, response) => {
      asked++;
      response.writeHead(302, { location: '/again' }).end();
    }, 'bytes=0-1');
    expect([circle.kind, asked]).toEqual(['failed', 2]);
  });

  it('is not fetched from a host of the list whose name leads inside', async () => {
    const opening = open(
      (_request, response) => void response.writeHead(302, { location: 'https://localhost/' }).end(),
      'bytes=0-1',
      ['localhost'],
    );
    await expect(opening).rejects.toThrow(/may not be asked/);
  });
});
