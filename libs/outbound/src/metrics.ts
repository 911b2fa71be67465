import { counter, type Counter, type Gauge } from '@signalbox/telemetry';

/** The service's own metrics of its dispatch; they carry its name, so they are made by it. */
export interface DispatchMetrics {
  /** Calls to the provider under way in this process. */
  readonly inFlight: Gauge;
  /** Calls, by what came of them. */
  readonly sendAttempts: Counter<'outcome'>;
  /** 1 while the provider refuses the tenant's credentials. */
  readonly circuitOpen: Gauge<'tenant'>;
  /** Calls at once that this process allows itself to the account of a tenant. */
  readonly concurrencyLimit: Gauge<'tenant'>;
}

export const quotaThrottled = counter(
  'signalbox_quota_throttled_total',
  'Looks at the queue that left due messages waiting for a quota, by what the quota is for',
  ['scope_kind'],
);
