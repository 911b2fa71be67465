import { accountScope, type GivenQuotas, nameValue, prefixValue, type QuotaKind } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import type { Call } from '../call/call.ts';

export type Dialled = Pick<Call, 'to' | 'from'>;

const sender: QuotaKind<Dialled> = {
  name: 'sender',
  plural: 'senders',
  description: 'calls from a number',
  of: ({ from }) => [from ?? ''],
  value: nameValue,
  isKnown: (value, tenant) => tenant.senders.includes(value),
};

const prefix: QuotaKind<Dialled> = {
  name: 'prefix',
  plural: 'prefixes',
  description: 'destinations that begin with this prefix; the longest that fits counts',
  of: ({ to }) => Array.from({ length: to.length - 1 }, (_, shorter) => to.slice(0, to.length - shorter)),
  value: prefixValue,
};

/** What calls are paced by besides their account, whose rate is its calls per second. */
export const quotaKinds: readonly QuotaKind<Dialled>[] = [sender, prefix];

/** Twilio dials one call a second for a new account; more only wait in its own queue, where no lane goes before another. */
const twilioDefault = { rate: 1 };

export function givenQuotas(tenant: Tenant): GivenQuotas {
  const { account = twilioDefault, senders = {}, prefixes = {} } = tenant.voice?.quotas ?? {};
  return [
    [accountScope, account] as const,
    ...Object.entries(senders).map(([value, limits]) => [{ kind: sender.name, value }, limits] as const),
    ...Object.entries(prefixes).map(([value, limits]) => [{ kind: prefix.name, value }, limits] as const),
  ];
}
