import type { SuppressionChannel } from '@signalbox/contracts';
import type { Tenant } from '@signalbox/tenants';
import { listedAddress, listedChannel, wholeTenant } from './suppression.rules.ts';

export type Written<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly detail: string };

/** A channel that is not given is the recipient's own. */
export function readRecipient(
  written: string,
  channel: 'sms' | 'mms' | 'rcs' | 'whatsapp' | undefined,
  toE164: (raw: string, channel: 'sms' | 'whatsapp') => { ok: true; e164: string } | { ok: false; reason: string },
): Written<{ recipient: string; channel: SuppressionChannel }> {
  // An unescaped + of a query string arrives as a space; a person on RCS is the same as on SMS.
  const plain = listedAddress(written.replace(/^(whatsapp:)? (?=\d)/, '$1+').trim()).recipient;
  const onWhatsapp = channel === undefined ? plain.startsWith('whatsapp:') : listedChannel(channel) === 'whatsapp';
  const listed = onWhatsapp ? 'whatsapp' : 'sms';
  // WhatsApp users without a visible number have an id in its place.
  if (onWhatsapp && /^whatsapp:[A-Z]{2}\.[A-Za-z0-9.]{1,64}$/.test(plain)) {
    return { ok: true, value: { recipient: plain, channel: listed } };
  }
  const number = toE164(plain, listed);
  if (!number.ok) return { ok: false, detail: `not a phone number in E.164: ${number.reason}` };
  return { ok: true, value: { recipient: number.e164, channel: listed } };
}

/**
 * A scope as it is listed. A word has to be known to the tenant: a misspelt service name that was taken for a sender would
 * suppress nothing.
 */
export function readScope(written: string, tenant: Tenant): Written<string> {
  const scope = written.trim();
  const sid = Object.hasOwn(tenant.messagingServices, scope) ? tenant.messagingServices[scope] : undefined;
  if (sid !== undefined) return { ok: true, value: sid };
  const known = scope === wholeTenant || /^MG[0-9a-f]{32}$/.test(scope) || tenant.senders.includes(scope);
  if (known || /^(whatsapp:)?\+[1-9]\d{6,14}$/.test(scope) || /^\d{3,8}$/.test(scope))
    return { ok: true, value: scope };
  return { ok: false, detail: 'not *, a messaging service or a sender of the tenant' };
}
