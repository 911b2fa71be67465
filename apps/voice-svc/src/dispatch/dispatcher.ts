import type { FactoryProvider } from '@nestjs/common';
import { TRANSACT } from '@signalbox/domain-service';
import { Dispatcher, QuotaBook } from '@signalbox/outbound';
import type { Transact } from '@signalbox/persistence';
import { LOGGER } from '@signalbox/service';
import type { Logger } from '@signalbox/telemetry';
import { TenantDirectory } from '@signalbox/tenants';
import type { Call } from '../call/call.ts';
import { CONFIG, type VoiceConfig } from '../config.ts';
import { dispatchMetrics } from '../metrics.ts';
import { policyOf } from './dispatch.rules.ts';
import { OutgoingCalls } from './outgoing-calls.ts';
import { CallProvider } from './provider.ts';

export function callDispatcher(
  transact: Transact,
  provider: CallProvider,
  quotas: QuotaBook,
  tenants: TenantDirectory,
  config: VoiceConfig,
  log: Logger,
): Dispatcher<Call> {
  const outgoing = new OutgoingCalls(provider, policyOf(config));
  return new Dispatcher<Call>({ outgoing, transact, quotas, tenants, config, metrics: dispatchMetrics, log });
}

/** Provides the `Dispatcher` of calls. */
export const dispatcher: FactoryProvider = {
  provide: Dispatcher,
  inject: [TRANSACT, CallProvider, QuotaBook, TenantDirectory, CONFIG, LOGGER],
  useFactory: callDispatcher,
};
