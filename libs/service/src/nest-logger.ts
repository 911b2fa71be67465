import type { LoggerService } from '@nestjs/common';
import { type Logger, isError } from '@signalbox/telemetry';

/**
 * Nest's own log goes where ours goes. Its start-up chatter is for debugging; what it says of a failed start is left
 * out, because the start itself says it once, in one line.
 */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (context === 'ExceptionHandler' || context === 'NestApplication') return;
    this.#write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  #write(level: 'trace' | 'debug' | 'warn' | 'error' | 'fatal', message: unknown, rest: unknown[]): void {
    const context = rest.at(-1);
    const err = [message, ...rest].find(isError);
    const text = isError(message) ? message.message : String(message);
    this.logger[level]({ ...(typeof context === 'string' && { context }), ...(err && { err }) }, text);
  }
}
