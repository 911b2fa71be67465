import type { Readable } from 'node:stream';
import { closeUnread } from '@signalbox/edge';
import { ProblemException } from '@signalbox/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** As it was sent, because signatures are over that: a form as text, JSON as bytes, multipart as a stream nobody has read. */
export type RawBody = string | Buffer | Readable | undefined;

export type CallbackRequest = FastifyRequest<{ Body: RawBody; Params: { readonly secret?: string } }>;

/** Any other content type is answered 415. */
export function acceptRawBodies(server: FastifyInstance): void {
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  // Event Streams may say application/cloudevents-batch+json.
  server.addContentTypeParser(/^application\/(?:[\w.-]+\+)?json/, { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  server.addContentTypeParser('multipart/form-data', (_request, payload, done) => done(null, payload));
  closeUnread(server);
}

export const wrongType = () =>
  new ProblemException(415, 'Unsupported Media Type', 'This content type is not accepted here');
