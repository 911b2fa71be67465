import type { FastifyInstance } from 'fastify';
import { newSid } from './sid.ts';

/** Adds the headers that Twilio sends with every answer of its REST API. */
export function addTwilioHeaders(fastify: FastifyInstance): void {
  let concurrent = 0;
  fastify.addHook('onRequest', (request, reply, done) => {
    const host = hostOf(request.url);
    if (host !== undefined) {
      concurrent++;
      reply.raw.once('close', () => concurrent--);
      reply.headers({
        'Twilio-Request-Id': newSid('RQ'),
        'Twilio-Concurrent-Requests': String(concurrent),
        'X-Home-Region': 'us1',
        'X-Api-Domain': host,
      });
    }
    done();
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (hostOf(request.url) !== undefined) {
      reply.header('Twilio-Request-Duration', (reply.elapsedTime / 1000).toFixed(3));
    }
    done(null, payload);
  });
}

/** The host of Twilio's that this path belongs to. */
function hostOf(path: string): string | undefined {
  if (path.startsWith('/2010-04-01/')) return 'api.twilio.com';
  if (path.startsWith('/v1/Trunks')) return 'trunking.twilio.com';
  return path.startsWith('/v2/') ? 'verify.twilio.com' : undefined;
}
