import { topics } from '@signalbox/contracts';
import { domainService } from '@signalbox/domain-service';
import { Dispatcher, quotaBook, quotaControllers } from '@signalbox/outbound';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { CONFIG, voiceConfig } from './config.ts';
import { dispatcher } from './dispatch/dispatcher.ts';
import { CallProvider } from './dispatch/provider.ts';
import { givenQuotas, quotaKinds } from './dispatch/quota-kinds.rules.ts';
import { ConferenceController } from './facts/conference.controller.ts';
import { Pricing } from './facts/pricing.ts';
import { CallController } from './http/call.controller.ts';
import { Lifecycle } from './lifecycle.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { SettleController } from './reconcile/settle.controller.ts';
import { RecordingKeeper } from './recordings/keeper.ts';
import { RecordingMedia } from './recordings/media.ts';
import { RecordingController } from './recordings/recording.controller.ts';
import { ErasureController } from './retention/erasure.controller.ts';
import { Retention } from './retention/retention.ts';
import { twimlParts } from './twiml/parts.ts';

export const voiceService = domainService({
  name: 'voice-svc',
  port: 8082,
  config: voiceConfig,
  migrations,
  topics: [topics.voiceCommands],
  // A call that is to be placed does not wait for the callbacks of a campaign.
  apart: { callbacks: [topics.twilioCallCallbacks] },
  parts: ({ config }) => ({
    controllers: [
      AcceptanceHandler,
      ProgressHandler,
      CallController,
      SettleController,
      ConferenceController,
      RecordingController,
      ErasureController,
      ...quotaControllers(quotaKinds),
      ...twimlParts.controllers,
    ],
    providers: [
      { provide: CONFIG, useValue: config },
      quotaBook(givenQuotas),
      Acceptor,
      CallProvider,
      dispatcher,
      Reconciler,
      Pricing,
      RecordingKeeper,
      RecordingMedia,
      Retention,
      Lifecycle,
      ...twimlParts.providers,
    ],
  }),
  afterBatch: (app) => {
    const calls = app.get(Dispatcher);
    const open = app.get(Reconciler);
    return (topic) => {
      if (topic !== topics.voiceCommands) return;
      calls.nudge();
      open.nudge();
    };
  },
  http: ({ TRUSTED_PROXIES }) => ({ trustProxy: TRUSTED_PROXIES }),
  openapi: {
    title: 'Signalbox voice',
    description: 'Place calls, follow them, hear their recordings; answer calls by flows',
  },
});
