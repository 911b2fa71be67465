import { topics } from '@signalbox/contracts';
import { domainService } from '@signalbox/domain-service';
import { Dispatcher, quotaBook, quotaControllers } from '@signalbox/outbound';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { Analytics } from './analytics/analytics.ts';
import { AnalyticsController } from './analytics/analytics.controller.ts';
import { CONFIG, messagingConfig } from './config.ts';
import { loadPrices, PRICES } from './content/prices.ts';
import { DeliveryHandler } from './delivery/delivery.handler.ts';
import { dispatcher } from './dispatch/dispatcher.ts';
import { MessageProvider } from './dispatch/provider.ts';
import { Fallback } from './fallback/fallback.ts';
import { MessageController } from './http/message.controller.ts';
import { InboundController } from './inbound/inbound.controller.ts';
import { InboundHandler } from './inbound/inbound.handler.ts';
import { Lifecycle } from './lifecycle.ts';
import { migrations } from './migrations/migrations.ts';
import { givenQuotas, quotaKinds } from './quota/quota-kinds.rules.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { SettleController } from './reconcile/settle.controller.ts';
import { ErasureController } from './retention/erasure.controller.ts';
import { Retention } from './retention/retention.ts';
import { SuppressionController } from './suppression/suppression.controller.ts';

export const messagingService = domainService({
  name: 'messaging-svc',
  port: 8081,
  config: messagingConfig,
  migrations,
  topics: [topics.messagingCommands],
  // A code that is to be sent does not wait for the callbacks of a campaign.
  apart: { callbacks: [topics.twilioMessageCallbacks, topics.twilioInboundCallbacks] },
  parts: async ({ config }) => ({
    controllers: [
      AcceptanceHandler,
      DeliveryHandler,
      InboundHandler,
      MessageController,
      SettleController,
      ...quotaControllers(quotaKinds),
      InboundController,
      SuppressionController,
      AnalyticsController,
      ErasureController,
    ],
    providers: [
      { provide: CONFIG, useValue: config },
      { provide: PRICES, useValue: await loadPrices(config.PRICES_FILE) },
      quotaBook(givenQuotas),
      Acceptor,
      MessageProvider,
      dispatcher,
      Reconciler,
      Fallback,
      Analytics,
      Retention,
      Lifecycle,
    ],
  }),
  afterBatch: (app) => {
    const awake = app.get(Dispatcher);
    return (topic) => {
      if (topic === topics.messagingCommands) awake.nudge();
    };
  },
  // An import of suppressions is read no faster than the database takes it.
  http: { requestTimeoutMs: 300_000 },
  openapi: { title: 'Signalbox messaging', description: 'Send SMS, MMS and WhatsApp messages and follow them' },
});
