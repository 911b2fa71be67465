import type { Tenant } from '@signalbox/tenants';
import type { Twilio } from 'twilio';
import { matchOf } from './plan.rules.ts';

/** A service that the tenant file names and the account has not, or has more than once. */
export class VerifyServiceUnknown extends Error {
  override readonly name = 'VerifyServiceUnknown';
}

/** A reload that changes the tenant makes a new object of it, whose services are looked up anew. */
const known = new WeakMap<Tenant, Map<string, Promise<string>>>();

/**
 * The SID of a Verify service by its name in the tenant file: the file's own, else that of the account's only service with the
 * `friendlyName`, looked up once per tenant object.
 * @param name the tenant's default service when null
 * @throws VerifyServiceUnknown; TwilioApiError, TwilioTransportError of the look-up, which the next call makes again
 */
export async function verifyServiceSid(tenant: Tenant, name: string | null, client: Twilio): Promise<string> {
  const { services = {}, defaultService } = tenant.verify ?? {};
  const entry = name ?? defaultService ?? '';
  const service = Object.hasOwn(services, entry) ? services[entry] : undefined;
  if (!service) throw new VerifyServiceUnknown(`verify.services of ${tenant.name} has no ${entry}`);
  if (service.sid !== undefined) return service.sid;

  const sids = known.get(tenant) ?? new Map<string, Promise<string>>();
  known.set(tenant, sids);
  let sid = sids.get(entry);
  if (!sid) {
    sid = lookUp(service.friendlyName, client);
    sids.set(entry, sid);
    sid.catch(() => sids.delete(entry));
  }
  return sid;
}

async function lookUp(friendlyName: string | undefined, client: Twilio): Promise<string> {
  const match = matchOf({ friendlyName }, await client.verify.v2.services.list());
  if ('fault' in match) throw new VerifyServiceUnknown(match.fault);
  if (!match.found) throw new VerifyServiceUnknown(`the account has no service called ${friendlyName}: apply the file`);
  return match.found.sid;
}
