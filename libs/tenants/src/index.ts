export { loadTenants, TenantDirectory, type AuthorizedToken } from './directory.ts';
export { defaultEmailDeliverability, type EmailDeliverability } from './email-deliverability.ts';
export { type KnownMailboxProvider, knownMailboxProviders, type TenantEmail } from './email.ts';
export { type InDoubtPolicy } from './in-doubt.ts';
export { type InboundKind, type InboundRoute } from './inbound-routes.ts';
export { type WarmupPlan } from './ip-pools.ts';
export { type PlanDifference, type PlanEntry, planHasDrift, writePlan } from './plan.rules.ts';
export { type TokenRefusal } from './oidc/jwt-check.ts';
export { type QuotaLimits, quotaLimits, quotaPrefix, type TenantQuotas } from './quotas.ts';
export { type QuietHours } from './quiet-hours.ts';
export { defaultRetention, type RetentionPeriods } from './retention.ts';
export { addressRange, type Tenant } from './schema.ts';
export { type Scope, scopes } from './scopes.ts';
export { TenantFileError } from './tenant-file.ts';
export { findTenantFiles, type TenantOwnedFile } from './tenant-files.ts';
export { type Registration, type SenderRecord, senderRecord, type SenderType } from './senders.ts';
export { type TenantVerify } from './verify.ts';
export { type VerifyService } from './verify-services.ts';
export {
  defaultVerifyChannels,
  defaultVerifyLimits,
  type VerifyChannelPolicy,
  type VerifyLimits,
} from './verify-limits.ts';
export { type TenantVoice } from './voice.ts';
export { type SipTrunk } from './voice-trunks.ts';
