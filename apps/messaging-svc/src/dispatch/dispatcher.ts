import type { FactoryProvider } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type MessagingConfig } from '../config.ts';
import type { Message } from '../message/message.ts';
import { dispatchMetrics } from '../metrics.ts';
import { policyOf } from './dispatch.rules.ts';
import { OutgoingMessages } from './outgoing-messages.ts';
import { MessageProvider } from './provider.ts';

export function messageDispatcher(
  transact: Transact,
  provider: MessageProvider,
  quotas: QuotaBook,
  tenants: TenantDirectory,
  config: MessagingConfig,
  log: Logger,
): Dispatcher<Message> {
  const outgoing = new OutgoingMessages(transact, provider, tenants, policyOf(config));
  return new Dispatcher<Message>({ outgoing, transact, quotas, tenants, config, metrics: dispatchMetrics, log });
}

/** Provides the `Dispatcher` of messages. */
export const dispatcher: FactoryProvider = {
  provide: Dispatcher,
  inject: [TRANSACT, MessageProvider, QuotaBook, TenantDirectory, CONFIG, LOGGER],
  useFactory: messageDispatcher,
};
