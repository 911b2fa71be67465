import type { ServiceOptions } from '@signalbox/service';
import { readStatusCallback } from '@signalbox/twilio';
import type { FastifyInstance } from 'fastify';
import { ingestConfig } from './config.ts';
import { acceptRawBodies } from './http/bodies.ts';
import { IngestModule } from './ingest.module.ts';

export function webhookIngest(env: NodeJS.ProcessEnv): ServiceOptions<typeof ingestConfig> {
  return {
    name: 'webhook-ingest',
    port: 8080,
    config: ingestConfig,
    module: (context) => IngestModule.create(context, env),
    http: {
      bodyParser: false,
      // An email of 30 MB takes its time; headers that dribble in are cut off much earlier.
      requestTimeoutMs: 60_000,
      ...(env['TRUSTED_PROXIES'] && { trustProxy: env['TRUSTED_PROXIES'].split(',').map((range) => range.trim()) }),
      // Twilio sends no trace headers, so the trace of the send comes back in the callback URL.
      traceparentOf: (request) => readStatusCallback(request.raw.url ?? '').traceparent,
    },
    configure: async (app, context) => {
      const server: FastifyInstance = app.getHttpAdapter().getInstance();
      acceptRawBodies(server);
      await app.get(IngestModule).serve(server, context);
    },
  };
}
