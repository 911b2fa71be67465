import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { type Logger, currentTraceId, isError } from '@signalbox/telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';

export const problemContentType = 'application/problem+json';

/** A fault at one place: in the body (`pointer`, RFC 6901 as a URI fragment), or in a query or path `parameter`. */
export interface FieldError {
  pointer?: string;
  parameter?: string;
  detail: string;
}

/** RFC 9457. Other members are extensions. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  errors?: FieldError[];
  traceId?: string;
  [extension: string]: unknown;
}

/** Answers a request with a problem. `extra` are further members of the body (`type`, `errors`, …). */
export class ProblemException extends HttpException {
  constructor(
    status: number,
    readonly title: string,
    readonly detail?: string,
    readonly extra: Readonly<Record<string, unknown>> = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(title, status);
  }

  get problem(): Problem {
    return {
      type: 'about:blank',
      title: this.title,
      status: this.getStatus(),
      ...(this.detail !== undefined && { detail: this.detail }),
      ...this.extra,
    };
  }
}

/** What to answer to what was thrown; `ours` when it is no fault of the caller and belongs in the log. */
export interface Verdict {
  problem: Problem;
  headers: Readonly<Record<string, string>>;
  ours: boolean;
}

export interface ProblemRules {
  /** Whether an error means that something we need is away for now: answered 503 with Retry-After, not 500. */
  isTransient?: (error: unknown) => boolean;
}

const none = {};

/** Fastify's faults of a request, by code, in words that do not repeat what was sent. */
const requestFaults: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'This content type is not accepted here',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says',
  FST_ERR_BAD_URL: 'The path is not a valid URL',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the path is too long',
};

export function judge(error: unknown, rules: ProblemRules = {}): Verdict {
  if (error instanceof ProblemException) {
    return { problem: error.problem, headers: error.headers, ours: error.getStatus() >= 500 };
  }
  if (isRequestFault(error)) {
    const detail = requestFaults[error.code ?? ''] ?? 'The body cannot be read';
    return { problem: problemOf(error.statusCode, detail), headers: none, ours: false };
  }
  if (error instanceof HttpException) {
    const status = error.getStatus();
    if (isRequestFault(error.cause)) return judge(error.cause);
    return {
      problem: problemOf(status, status === 500 ? undefined : error.message),
      headers: none,
      ours: status >= 500,
    };
  }
  if (rules.isTransient?.(error)) {
    const detail = 'Something this service needs is away; nothing is lost, try again';
    return { problem: problemOf(503, detail), headers: { 'retry-after': '5' }, ours: true };
  }
  return { problem: problemOf(500), headers: none, ours: true };
}

export function problemOf(status: number, detail?: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: 'about:blank', title, status, ...(detail !== undefined && detail !== title && { detail }) };
}

// By Fastify's own marks and not by any `statusCode`: provider SDKs put one on their errors, and a provider's 401 is not our caller's.
function isRequestFault(error: unknown): error is Error & { statusCode: number; code?: string } {
  if (!isError(error)) return false;
  const { statusCode } = error as { statusCode?: unknown };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return false;
  return error.name === 'FastifyError' || error.name === 'SyntaxError';
}

/** Turns whatever a request ended in into `application/problem+json`, and logs what is our fault, once. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly rules: ProblemRules = {},
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (request.is404 && error instanceof HttpException) {
      return sendProblem(reply, { problem: problemOf(404, 'No such route'), headers: none, ours: false });
    }
    const verdict = judge(error, this.rules);
    if (verdict.ours) {
      const route = request.routeOptions.url;
      // 503 is an answer we chose to give, one per request while something is away.
      const level = verdict.problem.status === 503 ? 'warn' : 'error';
      this.logger[level]({ err: error, method: request.method, route }, `request failed: ${verdict.problem.status}`);
    }
    sendProblem(reply, verdict);
  }
}

export function sendProblem(reply: FastifyReply, { problem, headers, ours }: Verdict): void {
  // An answer that has begun cannot become another one; the connection ends and the client sees that it is cut short.
  if (reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  const traceId = ours ? (reply.request.trace?.span.spanContext().traceId ?? currentTraceId()) : undefined;
  void reply
    .code(problem.status)
    .headers({ ...headers, 'content-type': problemContentType })
    // As bytes: Fastify would add a charset to a string's type, and this one has no such parameter.
    .send(Buffer.from(JSON.stringify({ ...problem, ...(traceId && { traceId }) })));
}
