import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  Controller,
  Delete,
  ForbiddenException,
  Get,
  HttpCode,
  Inject,
  Injectable,
  Module,
  type OnApplicationShutdown,
  Post,
  UseGuards,
} from '@nestjs/common';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { currentTraceId } from '@signalbox/telemetry';
import { z } from 'zod';
import { ApiTokenGuard, CurrentTenant, Scopes, TOKEN_DIRECTORY } from './auth.ts';
import { Health } from './health.ts';
import { IdempotencyKeyHeader } from './idempotency.ts';
import { ProblemException } from './problem.ts';
import { LOGGER, type RunningService, type ServiceOptions, startService } from './service.ts';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from './validation.ts';

const order = z
  .object({
    idempotencyKey: z.string().min(1),
    to: z.string(),
    lane: z.enum(['critical', 'bulk']).default('bulk'),
    'a/b': z.int().optional(),
  })
  .meta({ id: 'Order' });
const page = z.object({ limit: z.coerce.number().int().max(100).default(10) });

/** What the test holds back and lets go, to have a request or a batch under way. */
const gate = { open: () => undefined as void, waiting: () => undefined as void };
const log: string[] = [];

@Controller('v1')
@UseGuards(ApiTokenGuard)
class OrdersController {
  @Post('orders')
  @Scopes('send')
  @IdempotencyKeyHeader()
  @ZodResponse(201, order, 'The order')
  create(@ZodBody(order) body: z.output<typeof order>, @CurrentTenant() tenant: { name: string }) {
    return { ...body, tenant: tenant.name, traceId: currentTraceId() };
  }

  @Get('orders')
  @Scopes('read')
  list(@ZodQuery(page) query: z.output<typeof page>) {
    return query;
  }

  @Get('orders/:id')
  @Scopes('read', 'send')
  one(@ZodParam('id', z.uuid()) id: string) {
    return { id };
  }

  @Delete('orders/:id')
  @HttpCode(204)
  @Scopes('send')
  remove(@ZodParam('id', z.uuid()) id: string): void {
    log.push(`deleted ${id}`);
  }

  @Get('undeclared')
  undeclared() {
    return {};
  }
}

@Controller('open')
class OpenController {
  @Get('fail/:how')
  fail(@ZodParam('how', z.string()) how: string) {
    if (how === 'problem')
      throw new ProblemException(429, 'Too fast', 'Over quota', { type: 'urn:x', quota: 5 }, { 'retry-after': '7' });
    if (how === 'nest') throw new ForbiddenException('not yours');
    if (how === 'away') throw Object.assign(new Error('down'), { code: 'ECONNREFUSED' });
    if (how === 'provider')
      throw Object.assign(new Error('key of +14155550199 is wrong'), { statusCode: 401, status: 401 });
    throw new TypeError('bug with +14155550199');
  }

  @Get('slow')
  async slow() {
    await new Promise<void>((resolve) => {
      gate.open = resolve;
      gate.waiting();
    });
    log.push('request done');
    return { done: true };
  }
}

@Injectable()
class Database implements OnApplicationShutdown {
  constructor(@Inject(LOGGER) _logger: unknown, health: Health) {
    health.register('database', () => {
      if (databaseAway) throw new Error('database is away');
    });
  }

  onApplicationShutdown(): void {
    log.push('database closed');
  }
}

let databaseAway = false;

const tokens: Record<string, string[]> = { 'send-token': ['send'], 'read-token': ['read'], 'admin-token': ['admin'] };
const directory = {
  byApiToken: (token: string) => (tokens[token] ? { tenant: { name: 'demo' }, scopes: tokens[token] } : undefined),
};

@Module({
  controllers: [OrdersController, OpenController],
  providers: [Database, { provide: TOKEN_DIRECTORY, useValue: directory }],
})
class TestModule {}

class TestTransport extends Server implements CustomTransportStrategy {
  listen(callback: () => void): void {
    log.push('transport started');
    callback();
  }

  close(): void {
    log.push('transport stopped');
  }

  on(): void {}

  unwrap<T>(): T {
    return undefined as T;
  }
}

const options = {
  name: 'test-svc',
  port: 0,
  config: z.object({ FLAVOUR: z.string().default('plain') }),
  module: () => TestModule,
  transports: () => [new TestTransport()],
  openapi: { title: 'Test' },
  http: { bodyLimit: 1000, isTransient: (error: unknown) => (error as { code?: string }).code === 'ECONNREFUSED' },
} satisfies ServiceOptions<z.ZodObject>;

const env = { HOST: '127.0.0.1', LOG_LEVEL: 'silent' };

let service: RunningService;

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(service.url + path, init);
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    headers: response.headers,
    type,
    text,
    json: (type.includes('json') ? JSON.parse(text) : undefined) as Record<string, unknown>,
  };
}

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  call(path, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', authorization: 'Bearer send-token', ...headers },
  });

/** Sends bytes as they are, which no HTTP client would, and reads until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket: Socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('a service', () => {
  beforeAll(async () => {
    service = await startService(options, env);
  });
  afterAll(() => service.stop());

  describe('API tokens', () => {
    it.each([
      ['none', '/v1/orders', undefined, 401, 'Bearer realm="signalbox"'],
      ['another scheme', '/v1/orders', 'Basic abc', 401, 'Bearer realm="signalbox"'],
      ['an unknown one', '/v1/orders', 'Bearer nope', 401, 'Bearer realm="signalbox", error="invalid_token"'],
      [
        'without the scope',
        '/v1/orders',
        'Bearer send-token',
        403,
        'Bearer realm="signalbox", error="insufficient_scope", scope="read"',
      ],
      ['with the scope', '/v1/orders', 'bearer read-token', 200, null],
      ['with one of two scopes', '/v1/orders/0196f3a0-0000-7000-8000-000000000000', 'Bearer send-token', 200, null],
      ['admin', '/v1/orders', 'Bearer admin-token', 200, null],
      [
        'a scope where none is stated',
        '/v1/undeclared',
        'Bearer read-token',
        403,
        'Bearer realm="signalbox", error="insufficient_scope", scope="admin"',
      ],
      ['admin where none is stated', '/v1/undeclared', 'Bearer admin-token', 200, null],
    ])('%s', async (_label, path, authorization, status, challenge) => {
      const answer = await call(path, { headers: authorization ? { authorization } : {} });
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([status, challenge]);
      if (status >= 400) expect(answer.type).toBe('application/problem+json');
      else expect(answer.headers.get('cache-control')).toBe('no-store');
    });
  });

  it('deletes without a body, though its type is named as in every other request', async () => {
    const headers = { authorization: 'Bearer send-token', 'content-type': 'application/json' };
    const answer = await call('/v1/orders/019a0000-0000-7000-8000-000000000001', { method: 'DELETE', headers });
    expect(answer.status).toBe(204);
    expect(log).toContain('deleted 019a0000-0000-7000-8000-000000000001');
  });

  describe('problems', () => {
    const good = '{"idempotencyKey":"k","to":"+14155550199"}';

    it.each<[string, () => ReturnType<typeof call>, number, object]>([
      ['unknown route', () => call('/nowhere/+14155550199'), 404, { title: 'Not Found', detail: 'No such route' }],
      ['wrong method', () => call('/v1/orders', { method: 'DELETE' }), 404, { detail: 'No such route' }],
      ['malformed JSON', () => post('/v1/orders', '{"to":'), 400, { detail: 'The body is not valid JSON' }],
      ['no body', () => post('/v1/orders', ''), 400, { detail: 'The body is empty' }],
      [
        'wrong content type',
        () => post('/v1/orders', good, { 'content-type': 'text/plain' }),
        415,
        { title: 'Unsupported Media Type' },
      ],
      ['a form', () => post('/v1/orders', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }), 415, {}],
      ['too large', () => post('/v1/orders', `{"to":"${'1'.repeat(2000)}"}`), 413, { detail: 'The body is too large' }],
      ['a hostile key', () => post('/v1/orders', '{"__proto__":{"a":1}}'), 400, { title: 'Bad Request' }],
      ['bad percent-encoding', () => call('/v1/orders/%E0%A4%A'), 400, { detail: 'The path is not a valid URL' }],
      ['a NUL in the path', () => call('/open/fail/a%00b'), 400, { detail: 'The address contains a NUL character' }],
      [
        'a NUL in the query',
        () => call('/v1/orders?limit=%00'),
        400,
        { detail: 'The address contains a NUL character' },
      ],
      ['a long path', () => call(`/v1/orders/${'a'.repeat(300)}`), 414, { detail: 'A part of the path is too long' }],
      [
        'a body that does not fit',
        () => post('/v1/orders', '{"idempotencyKey":"k","lane":"fast","a/b":1.5}'),
        400,
        {
          title: 'Invalid request',
          errors: [
            { pointer: '#/to', detail: 'Invalid input: expected string, received undefined' },
            { pointer: '#/lane', detail: 'Invalid option: expected one of "critical"|"bulk"' },
            { pointer: '#/a~1b', detail: 'Invalid input: expected int, received number' },
          ],
        },
      ],
      [
        'a list for a body',
        () => post('/v1/orders', '[]'),
        400,
        { errors: [{ pointer: '#', detail: expect.any(String) }] },
      ],
      [
        'a NUL in the body',
        () => post('/v1/orders', '{"idempotencyKey":"k","to":"a\\u0000"}'),
        400,
        { errors: [{ pointer: '#/to', detail: 'must not contain a NUL character' }] },
      ],
      [
        'a query that does not fit',
        () => call('/v1/orders?limit=many', { headers: { authorization: 'Bearer read-token' } }),
        400,
        { errors: [{ parameter: 'limit', detail: expect.any(String) }] },
      ],
      [
        'a path that does not fit',
        () => call('/v1/orders/1', { headers: { authorization: 'Bearer read-token' } }),
        400,
        { errors: [{ parameter: 'id', detail: 'Invalid UUID' }] },
      ],
      [
        'two idempotency keys',
        () => post('/v1/orders', good, { 'idempotency-key': 'other' }),
        400,
        { errors: [{ pointer: '#/idempotencyKey', detail: expect.any(String) }] },
      ],
      [
        'our own problem',
        () => call('/open/fail/problem'),
        429,
        { type: 'urn:x', title: 'Too fast', detail: 'Over quota', quota: 5 },
      ],
      ["Nest's exception", () => call('/open/fail/nest'), 403, { title: 'Forbidden', detail: 'not yours' }],
      [
        'what we need is away',
        () => call('/open/fail/away'),
        503,
        { traceId: expect.stringMatching(/^[0-9a-f]{32}$/) },
      ],
      [
        "a provider's 401 is not our caller's",
        () => call('/open/fail/provider'),
        500,
        { title: 'Internal Server Error' },
      ],
      ['a bug', () => call('/open/fail/bug'), 500, { traceId: expect.stringMatching(/^[0-9a-f]{32}$/) }],
    ])('%s', async (_label, send, status, body) => {
      const answer = await send();
      expect(answer.json).toMatchObject({ status, type: expect.any(String), title: expect.any(String), ...body });
      expect([answer.status, answer.type]).toEqual([status, 'application/problem+json']);
      expect(answer.text).not.toMatch(/4155550199|bug with|down/);
    });

    it('sends the headers of a problem', async () => {
      expect((await call('/open/fail/problem')).headers.get('retry-after')).toBe('7');
      expect((await call('/open/fail/away')).headers.get('retry-after')).toBe('5');
    });

    it.each([
      ['a raw NUL in the path', 'GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['no HTTP at all', 'hello\r\n\r\n', 400],
      ['a header without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ])('%s', async (_label, bytes, status) => {
      const answer = await raw(bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toContain('application/problem+json');
    });
  });

  it('answers a good request, with defaults, tenant and the idempotency key of the header', async () => {
    const answer = await post('/v1/orders', '{"to":"+14155550199"}', { 'idempotency-key': 'k1' });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({ idempotencyKey: 'k1', to: '+14155550199', lane: 'bulk', tenant: 'demo' });
  });

  it("works within the caller's trace, also when the body comes later", async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    const [head, body] = ['{"to":"a",', '"idempotencyKey":"k"}'];
    socket.write(
      `POST /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer send-token\r\nTraceparent: ${traceparent}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${head.length + body.length}\r\n\r\n${head}`,
    );
    // The rest of the body comes when the request is under way, so in an event of the socket and not of the request.
    await call('/healthz');
    socket.write(body);
    expect(await text(socket)).toContain('"traceId":"0af7651916cd43dd8448eb211c80319c"');
  });

  it('keeps the traces of concurrent requests apart', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => (index + 1).toString(16).padStart(32, '0'));
    const answers = await Promise.all(
      ids.map((id) =>
        post('/v1/orders', '{"to":"a","idempotencyKey":"k"}', { traceparent: `00-${id}-b7ad6b7169203331-01` }),
      ),
    );
    expect(answers.map((answer) => answer.json['traceId'])).toEqual(ids);
  });

  it('counts requests by route template, never by path', async () => {
    await call('/v1/orders/0196f3a0-0000-7000-8000-00000000beef', { headers: { authorization: 'Bearer read-token' } });
    await call('/nowhere/at/all');
    await call('/v1/%E0%A4%A');
    const { text, type } = await call('/metrics');
    expect(type).toContain('text/plain');
    expect(text).toMatch(/signalbox_http_requests_total\{route="\/v1\/orders\/:id",method="GET",status="200"\} \d/);
    expect(text).toMatch(/signalbox_http_requests_total\{route="unmatched",method="GET",status="404"\} \d/);
    expect(text).toMatch(/signalbox_http_requests_total\{route="unmatched",method="GET",status="400"\} \d/);
    expect(text).toMatch(
      /signalbox_http_request_seconds_count\{route="\/v1\/orders\/:id",method="GET",status="200"\} \d/,
    );
    expect(text).toContain('signalbox_build_info{service="test-svc"');
    expect(text).not.toMatch(/beef|nowhere|route="\/metrics"/);
  });

  it('tells whether it is ready, and why not; being alive is another matter', async () => {
    expect(await call('/readyz')).toMatchObject({ status: 200, json: { status: 'ready', checks: { database: 'ok' } } });
    databaseAway = true;
    try {
      expect(await call('/readyz')).toMatchObject({
        status: 503,
        json: { status: 'not ready', checks: { database: 'database is away' } },
      });
      expect(await call('/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    } finally {
      databaseAway = false;
    }
  });

  it('describes its API by the schemas it checks with', async () => {
    const { json } = await call('/openapi.json');
    expect(json).toMatchObject({
      openapi: '3.1.0',
      paths: {
        '/v1/orders': {
          post: {
            operationId: 'create',
            security: [{ bearer: [] }],
            requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/OrderInput' } } } },
            responses: { 201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } } } },
          },
          get: {
            parameters: [
              { name: 'limit', in: 'query', required: false, schema: { type: 'integer', maximum: 100, default: 10 } },
            ],
          },
        },
        '/v1/orders/{id}': {
          get: { parameters: [{ name: 'id', in: 'path', schema: { type: 'string', format: 'uuid' } }] },
        },
      },
      components: {
        schemas: {
          OrderInput: { required: ['idempotencyKey', 'to'] },
          Order: { required: ['idempotencyKey', 'to', 'lane'] },
        },
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: expect.stringContaining('OIDC') },
        },
      },
    });
  });
});

describe('a service with its own body parsers', () => {
  it('parses what it says and nothing else, within the limit of the route', async () => {
    service = await startService(
      {
        name: 'test-svc',
        port: 0,
        config: z.object({}),
        module: () => TestModule,
        http: { bodyParser: false },
        configure(app) {
          const server = app.getHttpAdapter().getInstance();
          server.addContentTypeParser(
            'application/x-www-form-urlencoded',
            { parseAs: 'string' },
            async (_request: unknown, body: string) => ({ raw: body }),
          );
          server.post('/raw', { bodyLimit: 10 }, async (request) => request.body);
        },
      },
      env,
    );
    try {
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      expect(await post('/raw', 'a=%2B1', form)).toMatchObject({ status: 200, json: { raw: 'a=%2B1' } });
      expect(await post('/raw', 'a=12345678910', form)).toMatchObject({
        status: 413,
        type: 'application/problem+json',
      });
      expect(await post('/raw', '{}')).toMatchObject({ status: 415, type: 'application/problem+json' });
    } finally {
      await service.stop();
    }
  });
});

describe('stopping', () => {
  beforeEach(() => void (log.length = 0));

  it('withdraws readiness, serves on while it drains, finishes what runs, then stops transport and hooks in this order', async () => {
    service = await startService(options, { ...env, DRAIN_SECONDS: '0.2' });
    const waiting = new Promise<void>((resolve) => (gate.waiting = resolve));
    const slow = call('/open/slow');
    await waiting;
    const stopped = service.stop('test');
    expect(await call('/readyz')).toMatchObject({ status: 503, json: { checks: { service: 'stopping' } } });
    const late = await call('/open/fail/problem');
    expect([late.status, late.headers.get('connection')]).toEqual([429, 'close']);
    await untilRefused(service.url);
    expect(log).toEqual(['transport started']);
    gate.open();
    expect(await slow).toMatchObject({ status: 200, json: { done: true } });
    await stopped;
    expect(log).toEqual(['transport started', 'request done', 'transport stopped', 'database closed']);
  });
});

describe('a start that fails', () => {
  it('names every fault of the environment at once', async () => {
    const config = z.object({ DATABASE_URL: z.url() });
    const start = startService({ ...options, config, transports: () => [] }, { ...env, PORT: 'x' });
    await expect(start).rejects.toMatchObject({
      faults: [expect.stringMatching(/^PORT: /), 'DATABASE_URL: is required'],
    });
  });

  it('stops what had started when the port is taken', async () => {
    service = await startService({ ...options, transports: () => [] }, env);
    const { port } = new URL(service.url);
    log.length = 0;
    await expect(startService(options, { ...env, PORT: port })).rejects.toThrow(`port ${port} is already in use`);
    expect(log).toContain('database closed');
    await service.stop();
  });
});

/** Waits until the server has stopped accepting: the listener is gone, while requests under way still run. */
async function untilRefused(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(`${url}/healthz`, { headers: { connection: 'close' } });
    } catch {
      return;
    }
    await new Promise(setImmediate);
  }
}
