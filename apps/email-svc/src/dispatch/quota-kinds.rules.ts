import { accountScope, type GivenQuotas, nameValue, type QuotaKind } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import { domainOf, readAddress } from '../email/address.rules.ts';
import type { Email } from '../email/email.ts';

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

/** What emails are paced by besides their account. */
export const quotaKinds: readonly QuotaKind<Pick<Email, 'from'>>[] = [sender];

export function givenQuotas(tenant: Tenant): GivenQuotas {
  const { account, senders = {} } = tenant.sendgrid?.quotas ?? {};
  return [
    ...(account ? [[accountScope, account] as const] : []),
    ...Object.entries(senders).map(
      ([name, limits]) => [{ kind: sender.name, value: name.toLowerCase() }, limits] as const,
    ),
  ];
}
