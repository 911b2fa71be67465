import type { FactoryProvider } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import { CONFIG, type EmailConfig } from '../config.ts';
import type { Email } from '../email/email.ts';
import { dispatchMetrics } from '../metrics.ts';
import { policyOf } from './dispatch.rules.ts';
import { EmailProvider } from './email-provider.ts';
import { OutgoingEmails } from './outgoing-emails.ts';

export function emailDispatcher(
  transact: Transact,
  provider: EmailProvider,
  quotas: QuotaBook,
  tenants: TenantDirectory,
  config: EmailConfig,
  log: Logger,
): Dispatcher<Email> {
  const outgoing = new OutgoingEmails(transact, provider, policyOf(config), tenants);
  return new Dispatcher<Email>({ outgoing, transact, quotas, tenants, config, metrics: dispatchMetrics, log });
}

/** Provides the `Dispatcher` of emails. */
export const dispatcher: FactoryProvider = {
  provide: Dispatcher,
  inject: [TRANSACT, EmailProvider, QuotaBook, TenantDirectory, CONFIG, LOGGER],
  useFactory: emailDispatcher,
};
