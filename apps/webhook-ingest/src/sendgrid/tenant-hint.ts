import type { Tenant } from '@signalbox/tenants';

/**
 * The tenants, the one first that `?tenant=` names. Whose a request is, is told by the key that verifies it: the hint only
 * saves trying the others.
 */
export function hintedFirst(tenants: readonly Tenant[], target: string): readonly Tenant[] {
  const hint = /[?&]tenant=([a-z0-9-]+)(?:&|$)/.exec(target)?.[1];
  const hinted = tenants.find(({ name }) => name === hint);
  return hinted ? [hinted, ...tenants.filter((tenant) => tenant !== hinted)] : tenants;
}

export function singleHeader(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
