import { topics } from '@signalbox/contracts';
import { domainService } from '@signalbox/domain-service';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { Canceler } from './cancel/canceler.ts';
import { Checker } from './check/checker.ts';
import { CONFIG, verifyConfig } from './config.ts';
import { DueWork } from './due/due-work.ts';
import { BlockController } from './guard/block.controller.ts';
import { Guard } from './guard/guard.ts';
import { GuardWatch } from './guard/guard.watch.ts';
import { VerificationController } from './http/verification.controller.ts';
import { KeyedHash } from './keyed-hash.ts';
import { Lifecycle } from './lifecycle.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { ErasureController } from './retention/erasure.controller.ts';
import { Retention } from './retention/retention.ts';
import { Opener } from './send/opener.ts';
import { Pace } from './send/pace.ts';
import { VerifyProvider } from './send/provider.ts';
import { Sender } from './send/sender.ts';
import { ServiceNotLookedUp, ServiceSids } from './send/service-sids.ts';
import { Starter } from './start/starter.ts';
import { TotpChores } from './totp/totp.chores.ts';
import { TotpController } from './totp/totp.controller.ts';
import { Totp } from './totp/totp.ts';

export const verifyService = domainService({
  name: 'verify-svc',
  port: 8083,
  config: verifyConfig,
  migrations,
  genericPlans: true,
  pipelined: true,
  topics: [topics.verifyCommands],
  // A code that is to be sent does not wait for what became of others.
  apart: { callbacks: [topics.twilioVerifyCallbacks] },
  parts: ({ config }) => ({
    controllers: [
      AcceptanceHandler,
      ProgressHandler,
      VerificationController,
      ErasureController,
      BlockController,
      TotpController,
    ],
    providers: [
      { provide: CONFIG, useValue: config },
      KeyedHash,
      Guard,
      GuardWatch,
      Totp,
      TotpChores,
      Pace,
      VerifyProvider,
      ServiceSids,
      Opener,
      Sender,
      Starter,
      DueWork,
      Checker,
      Canceler,
      Acceptor,
      Reconciler,
      Retention,
      Lifecycle,
    ],
  }),
  beforeBatch: (app) => {
    const services = app.get(ServiceSids);
    return async (topic) => {
      if (topic === topics.verifyCommands) await services.lookUp();
    };
  },
  isTransient: (error) => error instanceof ServiceNotLookedUp,
  afterBatch: (app) => {
    const due = app.get(DueWork);
    return (topic) => {
      if (topic === topics.verifyCommands) due.nudge();
    };
  },
  openapi: { title: 'Signalbox verify', description: 'Verify users by codes, and follow how it goes' },
});
