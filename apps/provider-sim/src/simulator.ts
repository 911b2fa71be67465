import type { ServiceOptions } from '@signalbox/service';
import type { FastifyInstance } from 'fastify';
import { simulatorConfig } from './config.ts';
import { acceptForms } from './messages-api/form-body.ts';
import { addTwilioHeaders } from './messages-api/response-headers.ts';
import { ProviderSimModule } from './provider-sim.module.ts';

/** The simulator as a service: `runService(simulator)`, or `startService(simulator, env)` within a test. */
export const simulator: ServiceOptions<typeof simulatorConfig> = {
  name: 'provider-sim',
  port: 8090,
  config: simulatorConfig,
  module: ({ config }) =>
    ProviderSimModule.for(config.SIM_ACCOUNTS, {
      ...(config.SIM_INBOUND_URL !== undefined && { inbound: config.SIM_INBOUND_URL }),
      ...(config.SIM_CALLBACKS_URL !== undefined && { callbacks: config.SIM_CALLBACKS_URL }),
    }),
  configure(app) {
    const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
    acceptForms(fastify);
    addTwilioHeaders(fastify);
  },
};
