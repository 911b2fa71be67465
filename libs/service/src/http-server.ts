import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  type Span,
  SpanKind,
  counter,
  gauge,
  histogram,
  inContext,
  metricsContentType,
  renderMetrics,
  startSpan,
} from '@signalbox/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Health } from './health.ts';
import { judge, problemContentType, problemOf, sendProblem } from './problem.ts';

export interface HttpOptions {
  /** Bytes; larger bodies get 413. Default 256 KiB. */
  bodyLimit?: number;
  /** The same for the routes that begin so, e.g. `{ '/unsubscribe': 10_000 }`. */
  bodyLimits?: Readonly<Record<string, number>>;
  /** Milliseconds within which a whole request must have arrived. Default 15 s. */
  requestTimeoutMs?: number;
  /** Milliseconds within which its headers must have; not above the former. Default 10 s. */
  headersTimeoutMs?: number;
  /** Which proxies' X-Forwarded-* to believe (Fastify's trustProxy). Default none. */
  trustProxy?: boolean | string | string[];
  /** False: no parser is installed, not even for JSON; the service brings its own through `configure`. */
  bodyParser?: boolean;
  /** Where a request carries its trace. Default: the `traceparent` header. */
  traceparentOf?: (request: FastifyRequest) => string | undefined;
}

/** Paths whose requests are neither traced nor counted: probes and scrapes would drown the rest. */
const ownPaths = new Set(['/healthz', '/readyz', '/metrics']);

const labels = ['route', 'method', 'status'] as const;

/** Fastify as every service runs it: bounded in size and time, answering all faults as problem details. */
export function createAdapter(options: HttpOptions, health: Health): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: options.bodyLimit ?? 256 * 1024,
    requestTimeout: options.requestTimeoutMs ?? 15_000,
    // Longer than the idle timeout of common load balancers (60 s), so that it is they who close.
    keepAliveTimeout: 65_000,
    // Node looks every 30 s by default, which would let a connection that dribbles live four times as long as it may.
    http: { headersTimeout: options.headersTimeoutMs ?? 10_000, connectionsCheckingInterval: 500 },
    trustProxy: options.trustProxy ?? false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: answerFrameworkError as FastifyServerOptions['frameworkErrors'],
    clientErrorHandler: answerClientError,
  });
  const server = adapter.getInstance<FastifyInstance>();
  if (options.bodyParser === false) server.removeAllContentTypeParsers();
  else server.removeContentTypeParser('text/plain');
  // Declared up front, so that every request object has one shape.
  server.decorateRequest('trace').decorateRequest('tokenHolder');
  limitBodies(server, options.bodyLimits ?? {});
  refuseNul(server);
  deleteWithoutBody(server);
  closeWhenStopping(server, health);
  cutOffWhenStopping(server);
  traceRequests(server, options.traceparentOf ?? ((request) => request.headers['traceparent'] as string | undefined));
  measureRequests(server);
  return adapter;
}

// The router refuses these before any hook runs, so they are counted here.
function answerFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const verdict = judge(error);
  requestsTotal().inc({ route: 'unmatched', method: request.method, status: verdict.problem.status });
  sendProblem(reply, verdict);
}

/** What is not HTTP at all, arrives too slowly or has too large a header: there is no request yet to answer through. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const body = JSON.stringify(problemOf(status));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${problemOf(status).title}\r\nContent-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

function limitBodies(server: FastifyInstance, limits: Readonly<Record<string, number>>): void {
  server.addHook('onRoute', (route) => {
    for (const [beginning, limit] of Object.entries(limits))
      if (route.url.startsWith(beginning)) route.bodyLimit = limit;
  });
}

// A NUL in an address reaches no route that means it, and Postgres refuses it as text: a 500 if it got that far.
function refuseNul(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    if (!request.raw.url?.includes('%00')) return done();
    sendProblem(reply, { problem: problemOf(400, 'The address contains a NUL character'), headers: {}, ours: false });
  });
}

// Many clients name JSON in every request, also where there is none: an empty body of that type would be a fault.
function deleteWithoutBody(server: FastifyInstance): void {
  server.addHook('onRequest', ({ method, headers }, _reply, done) => {
    const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
    if (method === 'DELETE' && isEmpty) delete headers['content-type'];
    done();
  });
}

// Without it a kept-alive connection, whose request ends during the stop, would hold the stop up until it times out.
function closeWhenStopping(server: FastifyInstance, health: Health): void {
  server.addHook('onSend', (_request, reply, payload, done) => {
    if (health.isStopping) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** How long a request that has begun to come in may take to its end, once the service stops. */
const unfinishedGraceMs = 10_000;

// Node no longer looks for slow requests once it has stopped listening, so that a single sender that dawdles would hold the stop up
// until it is forced. Nothing was promised to who has not sent all of a request; what has come in whole is answered.
function cutOffWhenStopping(server: FastifyInstance): void {
  const connections = new Map<Socket, IncomingMessage | undefined>();
  server.server.on('connection', (socket: Socket) => {
    connections.set(socket, undefined);
    socket.once('close', () => connections.delete(socket));
  });
  server.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    connections.set(socket, request);
    response.once('close', () => connections.has(socket) && connections.set(socket, undefined));
  });
  server.addHook('preClose', (done) => {
    setTimeout(() => {
      for (const [socket, request] of connections) if (!request?.complete) socket.destroy();
    }, unfinishedGraceMs).unref();
    done();
  });
}

function traceRequests(server: FastifyInstance, traceparentOf: (request: FastifyRequest) => string | undefined): void {
  server.addHook('onRequest', (request, _reply, done) => {
    if (ownPaths.has(request.routeOptions.url ?? '')) return done();
    const route = routeOf(request);
    request.trace = startSpan(`${request.method} ${route}`, {
      kind: SpanKind.SERVER,
      parent: traceparentOf(request),
      attributes: { 'http.request.method': request.method, 'http.route': route },
    });
    inContext(request.trace.active, done);
  });
  server.addHook('onResponse', (request, reply, done) => {
    endRequestSpan(request.trace?.span, reply.statusCode);
    done();
  });
}

function endRequestSpan(span: Span | undefined, status: number): void {
  if (!span) return;
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) span.setAttribute('error.type', String(status));
  span.end();
}

const requestsTotal = () => counter('signalbox_http_requests_total', 'HTTP requests answered', labels);

function measureRequests(server: FastifyInstance): void {
  const total = requestsTotal();
  const duration = histogram('signalbox_http_request_seconds', 'Time to answer an HTTP request', labels);
  const inFlight = gauge('signalbox_http_requests_in_flight', 'HTTP requests being answered');
  server.addHook('onRequest', (_request, _reply, done) => {
    inFlight.inc();
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    inFlight.dec();
    if (!ownPaths.has(request.routeOptions.url ?? '')) {
      const values = { route: routeOf(request), method: request.method, status: reply.statusCode };
      total.inc(values);
      duration.observe(values, reply.elapsedTime / 1000);
    }
    done();
  });
  server.get('/metrics', async (_request, reply) => reply.type(metricsContentType).send(await renderMetrics()));
}

/** The route's template and never its path: a path holds ids and numbers, and has no end of values. */
function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's span; absent for probes. */
    trace?: ReturnType<typeof startSpan>;
  }
}
