import { topics } from '@signalbox/contracts';
import { domainService } from '@signalbox/domain-service';
import { Dispatcher, quotaBook, quotaControllers } from '@signalbox/outbound';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { CONFIG, emailConfig } from './config.ts';
import { Deliverability } from './deliverability/deliverability.ts';
import { DeliverabilityController } from './deliverability/deliverability.controller.ts';
import { dns } from './deliverability/domain-check.ts';
import { dispatcher } from './dispatch/dispatcher.ts';
import { Doubts } from './dispatch/doubts.ts';
import { EmailProvider } from './dispatch/email-provider.ts';
import { givenQuotas, quotaKinds } from './dispatch/quota-kinds.rules.ts';
import { EmailController } from './http/email.controller.ts';
import { InboundController } from './inbound/inbound.controller.ts';
import { InboundHandler } from './inbound/inbound.handler.ts';
import { ReplyTokens } from './inbound/reply-tokens.ts';
import { Lifecycle } from './lifecycle.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';
import { Rejoin } from './progress/rejoin.ts';
import { blobs } from './retention/blobs.ts';
import { ErasureController } from './retention/erasure.controller.ts';
import { Retention } from './retention/retention.ts';
import { SuppressionController } from './suppression/suppression.controller.ts';
import { SuppressionSync } from './suppression/suppression-sync.ts';
import { UnsubscribeController } from './suppression/unsubscribe.controller.ts';
import { UnsubscribeLinks } from './suppression/unsubscribe-links.ts';
import { Templates } from './templates/templates.ts';
import { TemplatesController } from './templates/templates.controller.ts';
import { WarmupController } from './warmup/warmup.controller.ts';
import { readSettings } from './warmup/warmup.store.ts';

export const emailService = domainService({
  name: 'email-svc',
  port: 8084,
  config: emailConfig,
  migrations,
  topics: [topics.emailCommands],
  // A code that is to be sent does not wait for the events of a campaign, and neither waits for a stranger's HTML.
  apart: { callbacks: [topics.sendgridEventCallbacks], inbound: [topics.sendgridInboundCallbacks] },
  parts: ({ config }) => ({
    controllers: [
      AcceptanceHandler,
      ProgressHandler,
      InboundHandler,
      EmailController,
      InboundController,
      TemplatesController,
      ...quotaControllers(quotaKinds),
      SuppressionController,
      UnsubscribeController,
      WarmupController,
      DeliverabilityController,
      ErasureController,
    ],
    providers: [
      { provide: CONFIG, useValue: config },
      quotaBook(givenQuotas, readSettings),
      Acceptor,
      UnsubscribeLinks,
      EmailProvider,
      dispatcher,
      Doubts,
      Rejoin,
      SuppressionSync,
      dns,
      Deliverability,
      ReplyTokens,
      Templates,
      blobs,
      Retention,
      Lifecycle,
    ],
  }),
  afterBatch: (app) => {
    const awake = app.get(Dispatcher);
    return (topic) => {
      if (topic === topics.emailCommands) awake.nudge();
    };
  },
  // Attachments come within the request, as base64.
  http: {
    bodyLimit: 16 * 1024 * 1024,
    requestTimeoutMs: 60_000,
    // Strangers reach it without a token, and a click has one short field.
    bodyLimits: { '/unsubscribe': 10_000 },
  },
  openapi: { title: 'Signalbox email', description: 'Send emails through SendGrid and follow them' },
});
