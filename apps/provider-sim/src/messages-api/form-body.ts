import { parseForm } from '@signalbox/twilio';
import type { FastifyInstance } from 'fastify';

/** Reads `application/x-www-form-urlencoded`, the only body Twilio's REST API takes. */
export function acceptForms(fastify: FastifyInstance): void {
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    const form = parseForm(body as string);
    if (form.ok) done(null, form.params);
    else done(Object.assign(new SyntaxError(form.why), { statusCode: 400 }));
  });
}
