import type { MessagingConfig } from '../config.ts';
import type { DispatchPolicy } from './dispatch.rules.ts';

export type { DispatchPolicy } from './dispatch.rules.ts';

export function policyOf(config: MessagingConfig): DispatchPolicy {
  return {
    leaseMs: config.ATTEMPT_LEASE_MS,
    settleMs: config.IN_DOUBT_SETTLE_MS,
    backoffBaseMs: config.RETRY_BASE_MS,
    backoffMaxMs: config.RETRY_MAX_MS,
    giveUpAfterMs: config.GIVE_UP_AFTER_MS,
    firstCheckMs: config.CALLBACK_OVERDUE_MS,
  };
}
