import { types } from 'node:util';
import { trace } from '@opentelemetry/api';
import { type DestinationStream, type Logger, pino } from 'pino';
import { maskJson } from './masking.ts';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** Default: `LOG_LEVEL`, else info. */
  level?: LogLevel;
  /** Default: stdout. */
  destination?: DestinationStream;
}

/**
 * JSON lines on stdout: `time` (ISO 8601), `level`, `service`, `trace_id`/`span_id` of the active span, what the caller
 * gives (`messageId`, `tenant`, `err`), `msg`. Every line is masked as it is written; see masking.ts.
 */
export function createLogger(service: string, options: LoggerOptions = {}): Logger {
  return pino(
    {
      level: options.level ?? process.env['LOG_LEVEL'] ?? 'info',
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: activeTrace,
      serializers: { err: describeError, error: describeError },
      hooks: { streamWrite: maskJson },
    },
    options.destination ?? stdout(),
  );
}

let sharedStdout: DestinationStream | undefined;

// One for all loggers, so that their lines cannot mix. Asynchronous, because a slow reader must not block the event
// loop; Pino flushes it at exit and after `fatal`.
function stdout(): DestinationStream {
  return (sharedStdout ??= pino.destination({ fd: 1, sync: false }));
}

function activeTrace(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
}

/**
 * What a log says of an error. Only these fields: drivers hang whole requests, rows and query parameters on their
 * errors. The code is named `errorCode` because `code` is redacted: a one-time passcode goes by that name.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!isError(error)) return typeof error === 'object' ? { type: 'not an Error' } : error;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...((typeof code === 'string' || typeof code === 'number') && { errorCode: code }),
    stack: error.stack,
    ...(error.cause !== undefined && depth < 3 && { cause: describeError(error.cause, depth + 1) }),
    ...(Array.isArray(errors) &&
      depth < 3 && { errors: errors.slice(0, 3).map((one) => describeError(one, depth + 1)) }),
  };
}

/** Also true for errors of another realm (Node's own, within a test's VM context), where `instanceof` fails. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}
