import { topics } from '@signalbox/contracts';
import { domainConfig, domainService } from '@signalbox/domain-service';
import { AcceptanceHandler } from './acceptance/acceptance.handler.ts';
import { Acceptor } from './acceptance/acceptor.ts';
import { CallController } from './http/call.controller.ts';
import { migrations } from './migrations/migrations.ts';
import { ProgressHandler } from './progress/progress.handler.ts';

export const voiceService = domainService({
  name: 'voice-svc',
  port: 8082,
  config: domainConfig('voice-svc'),
  migrations,
  topics: [topics.voiceCommands, topics.twilioCallCallbacks],
  parts: () => ({ controllers: [AcceptanceHandler, ProgressHandler, CallController], providers: [Acceptor] }),
  openapi: { title: 'Signalbox voice', description: 'Request calls and follow them' },
});
