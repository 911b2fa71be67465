import type { ModuleMetadata } from '@nestjs/common';
import { FlowBook } from '../flow/flow-book.ts';
import { FlowController } from '../flow/flow.controller.ts';
import { QueueController } from '../queue/queue.controller.ts';
import { SessionRetention } from '../session/session-retention.ts';
import { TwimlServer } from './twiml-server.ts';

/** What answers calls with TwiML, and keeps the flows. */
export const twimlParts = {
  controllers: [FlowController, QueueController],
  providers: [FlowBook, TwimlServer, SessionRetention],
} satisfies Pick<ModuleMetadata, 'controllers' | 'providers'>;
