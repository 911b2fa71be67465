export * from './auth.ts';
export * from './config.ts';
export { cursorParameter, type TimeAndId, writeCursor } from './cursor.ts';
export * from './health.ts';
export type { HttpOptions } from './http-server.ts';
export * from './idempotency.ts';
export { NestLogger } from './nest-logger.ts';
export { type OpenApiOptions, describeApi } from './openapi.ts';
export {
  type FieldError,
  type Problem,
  ProblemException,
  ProblemFilter,
  problemContentType,
  problemOf,
} from './problem.ts';
export * from './run-service.ts';
export * from './service.ts';
export * from './validation.ts';
