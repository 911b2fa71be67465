import type { FastifyInstance } from 'fastify';
import { newSid } from './sid.ts';

/** Adds the headers that Twilio sends with every answer of its REST API. */
export function addTwilioHeaders(fastify: FastifyInstance): void {
  let concurrent = 0;
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/2010-04-01/')) {
      concurrent++;
      reply.raw.once('close', () => concurrent--);
      reply.headers({
        'Twilio-Request-Id': newSid('RQ'),
        'Twilio-Concurrent-Requests': String(concurrent),
        'X-Home-Region': 'us1',
        'X-Api-Domain': 'api.twilio.com',
      });
    }
    done();
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (request.url.startsWith('/2010-04-01/')) {
      reply.header('Twilio-Request-Duration', (reply.elapsedTime / 1000).toFixed(3));
    }
    done(null, payload);
  });
}
