import type { FastifyInstance } from 'fastify';
import type { CallbackRequest } from './http/bodies.ts';
import { eventsLimit, type SendgridEventReceiver } from './sendgrid/event-receiver.ts';
import type { SendgridInboundReceiver } from './sendgrid/inbound-receiver.ts';
import { twilioCallbacks } from './twilio/callbacks.ts';
import type { TwilioReceiver } from './twilio/receiver.ts';

export interface Receivers {
  readonly twilio: TwilioReceiver;
  readonly sendgridEvents: SendgridEventReceiver;
  /** Undefined where there is no blob store. */
  readonly sendgridInbound: SendgridInboundReceiver | undefined;
}

const emptyTwiml = '<?xml version="1.0" encoding="UTF-8"?><Response/>';

const formLimit = 256 * 1024;
/** A batch of Event Streams. */
const jsonLimit = 4 * 1024 * 1024;

/**
 * The routes, on Fastify itself: there is one handler for each provider and nothing to inject into it, and Nest's controllers
 * cost as much as the signature check and the produce together.
 * @param basePaths the routes are served below each; proxies differ in whether they strip the path of a base URL
 */
export function serveCallbacks(server: FastifyInstance, basePaths: Iterable<string>, receivers: Receivers): void {
  const { twilio, sendgridEvents, sendgridInbound } = receivers;
  for (const base of basePaths) {
    for (const callback of twilioCallbacks) {
      const bodyLimit = callback.json ? jsonLimit : formLimit;
      server.post(base + callback.route, { bodyLimit }, async (request, reply) => {
        await twilio.take(callback, request as CallbackRequest);
        return callback.twiml ? reply.type('text/xml; charset=utf-8').send(emptyTwiml) : reply.code(204).send();
      });
    }
    server.post(`${base}/sendgrid/events`, { bodyLimit: eventsLimit }, async (request, reply) => {
      await sendgridEvents.take(request as CallbackRequest);
      return reply.code(204).send();
    });
    if (!sendgridInbound) continue;
    for (const path of ['/sendgrid/inbound', '/sendgrid/inbound/:secret']) {
      server.post(base + path, async (request, reply) => {
        await sendgridInbound.take(request as CallbackRequest);
        return reply.code(204).send();
      });
    }
  }
}
