import type { Tenant } from '@signalbox/tenants';
import { countryOfNumber } from '@signalbox/twilio';

const homes = new WeakMap<Tenant, ReadonlySet<string>>();

/** Whether the tenant has senders in the country of a number. */
export function isHome(tenant: Tenant | undefined, number: string): boolean {
  if (!tenant) return false;
  let countries = homes.get(tenant);
  if (!countries) {
    countries = new Set(tenant.senders.flatMap((sender) => countryOfNumber(sender) ?? []));
    homes.set(tenant, countries);
  }
  return countries.has(countryOfNumber(number) ?? '');
}
