import type { ServiceOptions } from '@signalbox/service';
import { readStatusCallback } from '@signalbox/twilio';
import type { FastifyInstance } from 'fastify';
import { commaSeparatedList, ingestConfig } from './config.ts';
import { acceptRawBodies } from './http/bodies.ts';
import { IngestModule } from './ingest.module.ts';

/** Within which headers, and a whole request, must have arrived. An email of 30 MB takes its time; headers do not. */
const timeouts = { headersTimeoutMs: 10_000, requestTimeoutMs: 60_000 };

export function webhookIngest(
  env: NodeJS.ProcessEnv,
  { headersTimeoutMs, requestTimeoutMs } = timeouts,
): ServiceOptions<typeof ingestConfig> {
  const proxies = commaSeparatedList(env['TRUSTED_PROXIES']);
  return {
    name: 'webhook-ingest',
    port: 8080,
    config: ingestConfig,
    module: (context) => IngestModule.create(context, env),
    http: {
      bodyParser: false,
      headersTimeoutMs,
      requestTimeoutMs,
      ...(proxies.length > 0 && { trustProxy: proxies }),
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
