import { topics } from '@signalbox/contracts';
import { domainConfig, domainService } from '@signalbox/domain-service';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { EmailController } from './http/email.controller.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';

export const emailService = domainService({
  name: 'email-svc',
  port: 8084,
  config: domainConfig('email-svc'),
  migrations,
  topics: [topics.emailCommands, topics.sendgridEventCallbacks],
  parts: () => ({ controllers: [AcceptanceHandler, ProgressHandler, EmailController], providers: [Acceptor] }),
  openapi: { title: 'Signalbox email', description: 'Request emails and follow them' },
});
