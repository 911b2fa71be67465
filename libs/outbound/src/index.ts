export { type Account, type AccountHold, type AccountPolicy } from './account/account.rules.ts';
export { attemptsByTenant, attemptTable } from './attempt/attempt.migration.ts';
export { type AttemptJson, type AttemptRow, AttemptStore, type Attempted, toAttempt } from './attempt/attempt.store.ts';
export { type Attempt, type AttemptState, newAttempt } from './attempt/attempt.ts';
export { type DispatchConfig, dispatchConfig, leaseOutlivesCall } from './config.ts';
export type { Throttled, WaitingLine } from './dispatch/allot.rules.ts';
export { backoff, type BackoffPolicy } from './dispatch/backoff.rules.ts';
export { Dispatcher, type DispatcherOptions } from './dispatch/dispatcher.ts';
export { countDue, reportDue } from './dispatch/due.metric.ts';
export { giveBackUnsent } from './dispatch/give-back.ts';
export { type Item, type ItemTable } from './dispatch/item.ts';
export { laneNumber, laneOf } from './dispatch/lane.rules.ts';
export { lineIndex } from './dispatch/line.migration.ts';
export { lockExpiringInLine } from './dispatch/line.store.ts';
export type { SendOutcome } from './dispatch/outcome.ts';
export type { Answered, Call, Decision, Outgoing, Settled } from './dispatch/outgoing.ts';
export type { DispatchMetrics } from './metrics.ts';
export { type Bucket, type Budget, newBucket, usedToday } from './quota/bucket.rules.ts';
export { dayOf } from './quota/day.rules.ts';
export { QuotaBook, quotaBook } from './quota/quota.book.ts';
export { quotaControllers } from './quota/quota.controller.ts';
export { quotaTables } from './quota/quota.migration.ts';
export {
  accountScope,
  bucketKey,
  type Buckets,
  type GivenQuotas,
  type Quota,
  type QuotaKind,
  type Quotas,
  queueOf,
  queueOfWays,
  quotasFor,
  quotasOf,
  quotasOfQueue,
  type Scope,
  scopeKey,
  scopeOf,
  takeSlots,
  takeWay,
  type WayLeave,
  waysOfQueue,
} from './quota/quota.rules.ts';
export { nameValue, prefixValue } from './quota/quota.schemas.ts';
export { deleteQuota, putQuota, readBuckets } from './quota/quota.store.ts';
export { WaitingLimit, type WaitingLimitOptions } from './waiting/waiting-limit.ts';
