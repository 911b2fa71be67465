import type { FastifyInstance } from 'fastify';

/** Flows may be sent as they are written. */
export function acceptYaml(server: FastifyInstance): void {
  server.addContentTypeParser(['application/yaml', 'text/yaml'], { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
}
