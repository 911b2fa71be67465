import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

export interface ErrorLine {
  readonly message: string;
  readonly field: string | null;
  readonly help: string | null;
}

/** An answer in SendGrid's error JSON: `{errors: [{message, field, help}]}`. */
export class SendgridError extends Error {
  constructor(
    readonly status: number,
    readonly errors: readonly ErrorLine[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(errors[0]?.message ?? `HTTP ${status}`);
  }
}

export function sendgridError(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
  return new SendgridError(status, [{ message, field: null, help: null }], headers);
}

/** What the proxy in front of the API answers to a body above its limit: a page, and no JSON. */
export class PayloadTooLarge extends Error {}

@Catch(SendgridError, PayloadTooLarge)
export class SendgridErrorFilter implements ExceptionFilter<SendgridError | PayloadTooLarge> {
  catch(error: SendgridError | PayloadTooLarge, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (error instanceof PayloadTooLarge) {
      const page = '<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>';
      void reply.status(413).type('text/html').send(page);
      return;
    }
    void reply.status(error.status).headers(error.headers).send({ errors: error.errors });
  }
}
