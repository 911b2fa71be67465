import { sendgridClient } from '@signalbox/sendgrid';
import type { Tenant } from '@signalbox/tenants';

/** How long the names are believed. */
const freshMs = 60_000;

/** How soon they are read again for the sake of one that is not among them, or because they could not be read. */
const againMs = 5_000;

interface Read {
  /** Undefined where they could not be read. */
  readonly names: Promise<ReadonlySet<string> | undefined>;
  readonly at: number;
}

/** A reload that changes the tenant makes a new object of it, whose pools are read anew. */
const reads = new WeakMap<Tenant, Read>();

/**
 * Whether the account has an IP pool of this name. SendGrid itself does not tell: a call that names another one is answered with
 * 202, and the email is never sent, without an event. `unreadable`: the key lacks the scope `ips.pools.read`, or there was no answer.
 * Source: sendgrid-python issue 1121; "Retrieve all IP pools".
 */
export async function hasPool(
  tenant: Tenant,
  name: string,
  options: { readonly timeoutMs: number },
  failed: (error: unknown) => void,
): Promise<'known' | 'unknown' | 'unreadable'> {
  const known = await namesOf(tenant, freshMs, options, failed);
  if (known?.has(name)) return 'known';
  const now = await namesOf(tenant, againMs, options, failed);
  if (!now) return 'unreadable';
  return now.has(name) ? 'known' : 'unknown';
}

function namesOf(
  tenant: Tenant,
  maxAgeMs: number,
  options: { readonly timeoutMs: number },
  failed: (error: unknown) => void,
): Read['names'] {
  const last = reads.get(tenant);
  if (last && performance.now() - last.at < maxAgeMs) return last.names;
  const names = sendgridClient(tenant, options)
    .call<readonly { readonly name: string }[]>({ method: 'GET', path: '/v3/ips/pools' })
    .then((pools) => new Set(pools.map(({ name }) => name)))
    .catch((error: unknown) => {
      failed(error);
      return undefined;
    });
  reads.set(tenant, { names, at: performance.now() });
  return names;
}
