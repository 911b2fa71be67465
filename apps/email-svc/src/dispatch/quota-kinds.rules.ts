import { accountScope, type GivenQuotas, nameValue, type QuotaKind } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import { streamQuota } from '../deliverability/stream-quota.rules.ts';
import { domainOf, readAddress } from '../email/address.rules.ts';
import type { Email } from '../email/email.ts';
import { poolKinds } from '../warmup/pool.rules.ts';
import { dateOf, warmupQuotas, type WarmupSettings } from '../warmup/warmup.rules.ts';

const sender: QuotaKind<Pick<Email, 'from'>> = {
  name: 'sender',
  plural: 'senders',
  description: "a sender's address, or its domain; the address counts when both have one",
  of: ({ from }) => {
    const address = readAddress(from)?.email ?? from;
    return [address, domainOf(address)];
  },
  value: nameValue,
  resolve: (written) => written.toLowerCase(),
};

/** What emails are paced by besides their account, and GET /v1/quotas tells of. */
export const quotaKinds: readonly QuotaKind<Email>[] = [sender, streamQuota];

/** All they are paced by: warm-up plans too, which have a route of their own. */
export const paceKinds: readonly QuotaKind<Email>[] = [...quotaKinds, ...poolKinds];

/** What the tenant file gives, with what its warm-up plans make of this day. */
export function givenQuotas(tenant: Tenant, now: Date, settings: WarmupSettings | undefined): GivenQuotas {
  const { account, senders = {} } = tenant.sendgrid?.quotas ?? {};
  return [
    ...(account ? [[accountScope, account] as const] : []),
    ...Object.entries(senders).map(
      ([name, limits]) => [{ kind: sender.name, value: name.toLowerCase() }, limits] as const,
    ),
    ...warmupQuotas(tenant, settings, dateOf(now)),
  ];
}
