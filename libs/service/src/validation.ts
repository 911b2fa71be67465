import { Body, type HttpStatus, Param, type PipeTransform, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { type FieldError, ProblemException } from './problem.ts';

/**
 * The body, checked against a schema and with its defaults filled in; a 400 names every fault. OpenAPI is made from the
 * same schema.
 */
export function ZodBody(schema: z.ZodType): ParameterDecorator {
  return Body({ schema, pipes: [new ZodPipe(schema, pointerTo)] });
}

/** The query string, checked. Values come as strings: use `z.coerce` where the schema wants another type. */
export function ZodQuery(schema: z.ZodObject): ParameterDecorator {
  return Query({ schema, pipes: [new ZodPipe(schema, parameterAt)] });
}

/** One part of the path, checked. */
export function ZodParam(name: string, schema: z.ZodType): ParameterDecorator {
  return Param(name, { schema, pipes: [new ZodPipe(schema, (_path, detail) => ({ parameter: name, detail }))] });
}

/** States what a route answers, for OpenAPI. The handler's return value is not checked. */
export function ZodResponse(status: HttpStatus | number, schema: z.ZodType, description = ''): MethodDecorator {
  return ApiResponse({ status, standardSchema: schema, description });
}

type Locate = (path: readonly PropertyKey[], detail: string) => FieldError;

/** Caps what an answer lists: a hostile body can have a fault per element. */
const maxErrors = 50;

class ZodPipe implements PipeTransform {
  constructor(
    private readonly schema: z.ZodType,
    private readonly locate: Locate,
  ) {}

  transform(value: unknown): unknown {
    const parsed = this.schema.safeParse(value);
    const errors = parsed.success
      ? nulCharacters(parsed.data).map((path) => this.locate(path, 'must not contain a NUL character'))
      : parsed.error.issues.slice(0, maxErrors).map((issue) => this.locate(issue.path, issue.message));
    if (errors.length === 0) return parsed.data;
    throw new ProblemException(400, 'Invalid request', 'The request does not fit its schema', { errors });
  }
}

function pointerTo(path: readonly PropertyKey[], detail: string): FieldError {
  const parts = path.map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')));
  return { pointer: ['#', ...parts].join('/'), detail };
}

function parameterAt(path: readonly PropertyKey[], detail: string): FieldError {
  return { parameter: path.map(String).join('.'), detail };
}

/** Where a value holds U+0000, which Postgres cannot store; refused here, because behind this point it is a 500. */
function nulCharacters(value: unknown, path: readonly PropertyKey[] = []): (readonly PropertyKey[])[] {
  if (typeof value === 'string') return value.includes('\0') ? [path] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key.includes('\0') ? [path] : []),
    ...nulCharacters(inner, [...path, key]),
  ]);
}
