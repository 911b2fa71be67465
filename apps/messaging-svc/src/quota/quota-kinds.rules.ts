import { type GivenQuotas, accountScope, nameValue, prefixValue, type QuotaKind } from '@signalbox/outbound';
import type { Tenant } from '@signalbox/tenants';
import type { Message } from '../message/message.ts';

export type Addressed = Pick<Message, 'to' | 'from' | 'messagingServiceSid'>;

const sender: QuotaKind<Addressed> = {
  name: 'sender',
  plural: 'senders',
  description: 'a sender, or a messaging service by its name or SID',
  of: ({ from, messagingServiceSid }) => [messagingServiceSid ?? from ?? ''],
  value: nameValue,
  resolve: (name, tenant) => senderOf(tenant, name),
  isKnown: (value, tenant) =>
    Object.values(tenant.messagingServices).includes(value) ||
    tenant.senders.includes(value.replace(/^whatsapp:/, '')) ||
    tenant.senders.includes(value),
};

const prefix: QuotaKind<Addressed> = {
  name: 'prefix',
  plural: 'prefixes',
  description: 'destinations that begin with this prefix; the longest that fits counts',
  of: ({ to }) => {
    const number = to.replace(/^whatsapp:/, '');
    return Array.from({ length: number.length - 1 }, (_, shorter) => number.slice(0, number.length - shorter));
  },
  value: prefixValue,
};

/** What messages are paced by besides their account. */
export const quotaKinds: readonly QuotaKind<Addressed>[] = [sender, prefix];

export function givenQuotas(tenant: Tenant): GivenQuotas {
  const { account, senders = {}, prefixes = {} } = tenant.quotas ?? {};
  return [
    ...(account ? [[accountScope, account] as const] : []),
    ...Object.entries(senders).map(
      ([name, limits]) => [{ kind: sender.name, value: senderOf(tenant, name) }, limits] as const,
    ),
    ...Object.entries(prefixes).map(([value, limits]) => [{ kind: prefix.name, value }, limits] as const),
  ];
}

/** A messaging service goes by its name for people, and by its SID in messages. */
function senderOf(tenant: Tenant, name: string): string {
  return (Object.hasOwn(tenant.messagingServices, name) ? tenant.messagingServices[name] : undefined) ?? name;
}
