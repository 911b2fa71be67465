import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** A request whose body is the form as it was sent: the signature is over that, not over what a parser makes of it. */
export type RawFormRequest = FastifyRequest<{ Body: string | undefined }>;

/** Forms only, and raw; any other content type is answered 415. */
export function acceptRawForms(app: NestFastifyApplication): void {
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
}
