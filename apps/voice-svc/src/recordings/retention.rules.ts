import type { TenantVoice } from '@signalbox/tenants';
import { Duration } from 'luxon';

/** How long a tenant keeps recordings, in milliseconds; null: until somebody deletes them. */
export function retentionMs(voice: TenantVoice | undefined): number | null {
  const period = voice?.recordings?.retention;
  return period === undefined ? null : Duration.fromISO(period).toMillis();
}
