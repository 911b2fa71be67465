import type { ServiceOptions } from '@signalbox/service';
import type { FastifyInstance } from 'fastify';
import { simulatorConfig } from './config.ts';
import { acceptForms } from './messages-api/form-body.ts';
import { addTwilioHeaders } from './messages-api/response-headers.ts';
import { maxMailBytes } from './sendgrid-api/mail.controller.ts';
import { ProviderSimModule } from './provider-sim.module.ts';

/** The simulator as a service: `runService(simulator)`, or `startService(simulator, env)` within a test. */
export const simulator: ServiceOptions<typeof simulatorConfig> = {
  name: 'provider-sim',
  port: 8090,
  config: simulatorConfig,
  module: ({ config }) =>
    ProviderSimModule.for(config.SIM_ACCOUNTS, {
      inbound: config.SIM_INBOUND_URL,
      voice: config.SIM_VOICE_URL,
      voiceFallback: config.SIM_VOICE_FALLBACK_URL,
      callbacks: config.SIM_CALLBACKS_URL,
    }),
  configure(app) {
    const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
    acceptForms(fastify);
    addTwilioHeaders(fastify);
    fastify.addHook('onRequest', (request, _reply, done) => {
      // SendGrid's SDK says JSON also of a request without a body, and SendGrid does not mind.
      const { headers } = request.raw;
      const isEmpty = headers['transfer-encoding'] === undefined && !Number(headers['content-length']);
      if (isEmpty) delete headers['content-type'];
      done();
    });
    fastify.addHook('onRoute', (route) => {
      // Above its own limit, so that it is the handler that refuses, as SendGrid's proxy does.
      if (route.url === '/v3/mail/send') route.bodyLimit = 2 * maxMailBytes;
      else if (route.url.startsWith('/v3/templates')) route.bodyLimit = 8 * 1024 * 1024;
    });
  },
};
