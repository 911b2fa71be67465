import type { ServiceOptions } from '@signalbox/service';
import { readStatusCallback } from '@signalbox/twilio';
import { ingestConfig } from './config.ts';
import { acceptRawForms } from './http/raw-form.ts';
import { IngestModule } from './ingest.module.ts';

export function webhookIngest(env: NodeJS.ProcessEnv): ServiceOptions<typeof ingestConfig> {
  return {
    name: 'webhook-ingest',
    port: 8080,
    config: ingestConfig,
    module: (context) => IngestModule.create(context, env),
    http: {
      bodyParser: false,
      // Twilio sends no trace headers, so the trace of the send comes back in the callback URL.
      traceparentOf: (request) => readStatusCallback(request.raw.url ?? '').traceparent,
    },
    configure: acceptRawForms,
  };
}
