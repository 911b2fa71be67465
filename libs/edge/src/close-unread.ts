import type { FastifyInstance } from 'fastify';

/** What is answered before all of it has arrived is never read to its end, so its connection cannot carry another request. */
export function closeUnread(server: FastifyInstance): void {
  server.addHook('onSend', (request, reply, payload, done) => {
    if (!request.raw.complete) {
      void reply.header('connection', 'close');
      request.raw.resume();
    }
    done(null, payload);
  });
}
