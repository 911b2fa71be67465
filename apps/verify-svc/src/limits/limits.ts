import { defaultVerifyLimits, type Tenant } from '@signalbox/tenants';
import { Duration } from 'luxon';
import type { KeyedHash } from '../keyed-hash.ts';
import type { Verification } from '../verification/verification.ts';
import type { Limit } from './window.rules.ts';

/** What a code is counted under. */
export type Counted = Pick<Verification, 'tenant' | 'recipientHash'> & {
  readonly request: Pick<Verification['request'], 'subject' | 'ip'>;
};

/** The limits that a send of this verification takes from: of the recipient, the user, the address and the tenant. */
export function limitsOf(hash: KeyedHash, tenant: Tenant | undefined, counted: Counted): Limit[] {
  const { coolDown, recipient, user, ip, tenant: all } = tenant?.verify?.limits ?? defaultVerifyLimits;
  const coolDownMs = millis(coolDown);
  const { subject, ip: address } = counted.request;
  const limit = (scope: Limit['scope'], key: string, { sends, per }: typeof recipient, pauseMs = 0): Limit => ({
    scope,
    key: `${scope.charAt(0)}:${key}`,
    sends,
    perMs: millis(per),
    coolDownMs: pauseMs,
  });
  return [
    limit('recipient', counted.recipientHash, recipient, coolDownMs),
    ...(subject === null ? [] : [limit('user', hash.of('subject', counted.tenant, subject), user, coolDownMs)]),
    ...(address === null ? [] : [limit('ip', hash.of('ip', counted.tenant, address), ip)]),
    limit('tenant', hash.of('tenant', counted.tenant), all),
  ];
}

export function maxChecksOf(tenant: Tenant): number {
  return (tenant.verify?.limits ?? defaultVerifyLimits).checks;
}

export const millis = (duration: string): number => Duration.fromISO(duration).toMillis();
