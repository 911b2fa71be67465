import { topics } from '@signalbox/contracts';
import { domainConfig, domainService } from '@signalbox/domain-service';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { VerificationController } from './http/verification.controller.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';

export const verifyService = domainService({
  name: 'verify-svc',
  port: 8083,
  config: domainConfig('verify-svc'),
  migrations,
  topics: [topics.verifyCommands, topics.twilioVerifyCallbacks],
  parts: () => ({ controllers: [AcceptanceHandler, ProgressHandler, VerificationController], providers: [Acceptor] }),
  openapi: { title: 'Signalbox verify', description: 'Request verifications and follow them' },
});
