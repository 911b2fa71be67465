export { loadTenants, TenantDirectory, type AuthorizedToken } from './directory.ts';
export { type InDoubtPolicy } from './in-doubt.ts';
export { type QuotaLimits, quotaLimits, quotaPrefix, type TenantQuotas } from './quotas.ts';
export { type QuietHours } from './quiet-hours.ts';
export { defaultRetention, type RetentionPeriods } from './retention.ts';
export { addressRange, type Scope, type Tenant, scopes } from './schema.ts';
export { TenantFileError } from './tenant-file.ts';
export { type Registration, type SenderRecord, senderRecord, type SenderType } from './senders.ts';
