import {
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
  applyDecorators,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { ProblemException } from './problem.ts';

/**
 * Takes the `Idempotency-Key` header as the body's `idempotencyKey`, before the body is checked: either will do, both
 * must agree.
 */
export function IdempotencyKeyHeader(): MethodDecorator {
  return applyDecorators(
    UseInterceptors(new IdempotencyKeyInterceptor()),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: "May stand for the body's idempotencyKey",
      schema: { type: 'string', maxLength: 255 },
    }),
  );
}

class IdempotencyKeyInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    request.body = mergeIdempotencyKey(request.headers['idempotency-key'], request.body);
    return next.handle();
  }
}

/**
 * The body with the header's key in it. The header may be bare or a quoted string (draft-ietf-httpapi-idempotency-key).
 * @throws ProblemException 400 when header and body differ
 */
export function mergeIdempotencyKey(header: string | string[] | undefined, body: unknown): unknown {
  const given = Array.isArray(header) ? header[0] : header;
  if (given === undefined || typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const key = /^"((?:[^"\\]|\\["\\])*)"$/.exec(given)?.[1]?.replace(/\\(.)/g, '$1') ?? given;
  const { idempotencyKey } = body as { idempotencyKey?: unknown };
  if (idempotencyKey === undefined || idempotencyKey === null) return { ...body, idempotencyKey: key };
  if (idempotencyKey === key) return body;
  throw new ProblemException(400, 'Invalid request', 'The Idempotency-Key header and the body differ', {
    errors: [{ pointer: '#/idempotencyKey', detail: 'differs from the Idempotency-Key header' }],
  });
}
