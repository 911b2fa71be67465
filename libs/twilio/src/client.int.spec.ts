import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Tenant } from '@signalbox/tenants';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, Dispatcher } from 'undici';
import { twilioClient } from './client.ts';
import { TwilioApiError, TwilioTransportError } from './errors.ts';

interface Received {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

const accountSid = `AC${'1'.repeat(32)}`;
const message = { to: '+14155550199', from: '+14155550100', body: 'Grüße & +1' };
const created = JSON.stringify({ sid: `SM${'0'.repeat(32)}`, status: 'queued', num_media: '0', error_code: null });

let server: Server;
let received: Received[];
let answer: (request: Received, response: ServerResponse) => void;

beforeEach(async () => {
  received = [];
  answer = (_request, response) => response.writeHead(201, { 'content-type': 'application/json' }).end(created);
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      received.push({ method, url, headers, body });
      answer({ method, url, headers, body }, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function tenant(twilio: Partial<Tenant['twilio']> = {}): Tenant {
  const { port } = server.address() as AddressInfo;
  return {
    name: 'demo',
    twilio: {
      accountSid,
      apiKey: { sid: `SK${'2'.repeat(32)}`, secret: 'secret' },
      authTokens: ['token'],
      baseUrl: `http://127.0.0.1:${port}`,
      ...twilio,
    },
    senders: [],
    messagingServices: {},
    apiTokens: [],
  };
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('twilioClient', () => {
  it("sends what Twilio's API expects: path of the account, API key, form with repeated names", async () => {
    const sent = await twilioClient(tenant()).messages.create({
      ...message,
      mediaUrl: ['https://example.com/a.png', 'https://example.com/b.png'],
      sendAt: new Date('2026-11-25T12:00:00Z'),
      contentVariables: '{"1":"x"}',
    });
    expect(sent).toMatchObject({ sid: `SM${'0'.repeat(32)}`, status: 'queued', errorCode: null });
    expect(received).toHaveLength(1);
    const [request] = received;
    expect(request).toMatchObject({
      method: 'POST',
      url: `/2010-04-01/Accounts/${accountSid}/Messages.json`,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`SK${'2'.repeat(32)}:secret`).toString('base64')}`,
      },
    });
    expect([...new URLSearchParams(request?.body)].sort(byName)).toEqual(
      [
        ['To', '+14155550199'],
        ['MediaUrl', 'https://example.com/a.png'],
        ['MediaUrl', 'https://example.com/b.png'],
        ['SendAt', '2026-11-25T12:00:00Z'],
        ['ContentVariables', '{"1":"x"}'],
        ['From', '+14155550100'],
        ['Body', 'Grüße & +1'],
      ].sort(byName),
    );
  });

  it('filters a list in the query and follows its pages', async () => {
    const page = (uri: string | null, sid: string) =>
      JSON.stringify({ messages: [{ sid }], next_page_uri: uri, page: 0, page_size: 1 });
    answer = ({ url }, response) =>
      response.end(
        url?.includes('PageToken')
          ? page(null, 'SM2')
          : page(`/2010-04-01/Accounts/${accountSid}/Messages.json?PageToken=x`, 'SM1'),
      );
    const found = await twilioClient(tenant()).messages.list({
      to: '+14155550199',
      dateSentAfter: new Date('2026-11-24T00:00:00Z'),
    });
    expect(found.map(({ sid }) => sid)).toEqual(['SM1', 'SM2']);
    expect(received.map(({ url }) => new URL(url ?? '', 'http://x').search)).toEqual([
      expect.stringMatching(/To=%2B14155550199&DateSent%3E=2026-11-24T00%3A00%3A00Z/),
      '?PageToken=x',
    ]);
  });

  it('keeps the path of a base URL', async () => {
    const { port } = server.address() as AddressInfo;
    await twilioClient(tenant({ baseUrl: `http://127.0.0.1:${port}/twilio/` }))
      .messages('SM1')
      .fetch();
    expect(received[0]?.url).toBe(`/twilio/2010-04-01/Accounts/${accountSid}/Messages/SM1.json`);
  });

  it('goes to the region and edge of the tenant', async () => {
    const origins: string[] = [];
    class Recorder extends Dispatcher {
      override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
        origins.push(String(options.origin));
        handler.onResponseError?.(undefined as never, new Error('recorded'));
        return true;
      }
    }
    const { baseUrl: _, ...account } = tenant().twilio;
    const regional: Tenant = { ...tenant(), twilio: { ...account, region: 'ie1', edge: 'dublin' } };
    await failureOf(twilioClient(regional, { dispatcher: new Recorder() }).messages.create(message));
    await failureOf(
      twilioClient({ ...tenant(), twilio: account }, { dispatcher: new Recorder() }).messages.create(message),
    );
    expect(origins).toEqual(['https://api.dublin.ie1.twilio.com', 'https://api.twilio.com']);
  });

  it('is made once per tenant object, so a reload that changes the tenant makes a new one', () => {
    const one = tenant();
    expect(twilioClient(one)).toBe(twilioClient(one));
    expect(twilioClient({ ...one })).not.toBe(twilioClient(one));
  });
});

describe('an answer that is not success', () => {
  const answerWith = (status: number, body: string, headers: Record<string, string> = {}) => {
    answer = (_request, response) => response.writeHead(status, headers).end(body);
    return failureOf(twilioClient(tenant()).messages.create(message));
  };

  it("is told with Twilio's code", async () => {
    const body = '{"code":21610,"message":"Attempt to send to unsubscribed recipient","more_info":"","status":400}';
    const error = await answerWith(400, body, { 'twilio-request-id': 'RQ1' });
    expect(error).toBeInstanceOf(TwilioApiError);
    expect(error).toMatchObject({
      status: 400,
      code: 21610,
      retryAfterMs: null,
      requestId: 'RQ1',
      failure: { class: 'compliance' },
    });
  });

  it.each([
    ['seconds', '2', 2000],
    ['a date gone by', 'Tue, 24 Nov 2020 18:00:00 GMT', 0],
    ['nonsense', 'soon', null],
  ])('says when to try again: %s', async (_label, header, ms) => {
    const error = await answerWith(429, '{"code":20429,"message":"Too Many Requests","status":429}', {
      'retry-after': header,
    });
    expect(error).toMatchObject({
      status: 429,
      code: 20429,
      retryAfterMs: ms,
      catalogued: { class: 'rate', retryable: true },
    });
  });

  it.each([
    ["RFC 9457's shape", 403, '{"type":"x","title":"Forbidden","status":403,"code":20003}', 20003],
    ['HTML of a proxy', 502, '<html>Bad Gateway</html>', null],
    ['nothing', 503, '', null],
    ['JSON that is no object', 500, 'null', null],
  ])('may have as its body %s', async (_label, status, body, code) => {
    expect(await answerWith(status, body)).toMatchObject({ name: 'TwilioApiError', status, code });
  });
});

describe('no answer', () => {
  it('is not sent when nobody listens', async () => {
    const closed = tenant({ baseUrl: 'http://127.0.0.1:1' });
    const error = await failureOf(twilioClient(closed).messages.create(message));
    expect(error).toBeInstanceOf(TwilioTransportError);
    expect(error).toMatchObject({ outcome: 'not_sent', code: 'ECONNREFUSED' });
  });

  /** Two clients on one connection: the deadline of one must not depend on how long connecting takes. */
  const clientsOnOneConnection = () => {
    const dispatcher = new Agent({ connections: 1 });
    return {
      patient: twilioClient(tenant(), { timeoutMs: 30_000, dispatcher }),
      hasty: twilioClient(tenant(), { timeoutMs: 50, dispatcher }),
    };
  };

  it('is in doubt when the request was sent and the answer does not come in time', async () => {
    const { patient, hasty } = clientsOnOneConnection();
    await patient.messages.create(message);
    answer = () => {};
    expect(await failureOf(hasty.messages.create(message))).toMatchObject({ outcome: 'in_doubt', code: 'TIMEOUT' });
  });

  it('is in doubt when the connection breaks after the request', async () => {
    answer = (_request, response) => response.destroy();
    expect(await failureOf(twilioClient(tenant()).messages.create(message))).toMatchObject({ outcome: 'in_doubt' });
  });

  it('is in doubt when the answer breaks off', async () => {
    answer = (_request, response) => {
      response.writeHead(201, { 'content-length': '1000' });
      response.write(created.slice(0, 10), () => response.destroy());
    };
    expect(await failureOf(twilioClient(tenant()).messages.create(message))).toMatchObject({ outcome: 'in_doubt' });
  });

  it('is not sent, then or later, when no connection gets free in time', async () => {
    const { patient, hasty } = clientsOnOneConnection();
    const held = new Promise<ServerResponse>((resolve) => (answer = (_request, response) => resolve(response)));
    const first = patient.messages.create({ ...message, body: 'first' });
    const response = await held;
    const second = await failureOf(hasty.messages.create({ ...message, body: 'second' }));
    expect(second).toMatchObject({ outcome: 'not_sent', code: 'TIMEOUT' });

    answer = (_request, later) => later.end(created);
    response.end(created);
    await first;
    await patient.messages.create({ ...message, body: 'third' });
    expect(received.map(({ body }) => new URLSearchParams(body).get('Body'))).toEqual(['first', 'third']);
  });
});

function byName([a]: string[], [b]: string[]): number {
  return (a ?? '').localeCompare(b ?? '');
}
