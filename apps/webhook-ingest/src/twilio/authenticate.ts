import type { Tenant, TenantDirectory } from '@signalbox/tenants';
import { type FormFault, type FormParams, type SignatureFault, checkSignature, parseForm } from '@signalbox/twilio';

export interface UnverifiedCallback {
  /** The public URL Twilio called. */
  readonly url: string;
  /** The form as it was sent. */
  readonly body: string;
  /** The `X-Twilio-Signature` header. */
  readonly signature: string | undefined;
}

export interface VerifiedCallback {
  readonly ok: true;
  readonly tenant: Tenant;
  readonly params: FormParams;
  /** Which of the tenant's auth tokens matched. */
  readonly tokenIndex: number;
}

export interface RefusedCallback {
  readonly ok: false;
  readonly result: 'missing_signature' | 'malformed' | 'unknown_account' | 'forged';
  readonly why: FormFault | SignatureFault | 'unknown_account';
  /** Claimed, not proven. */
  readonly accountSid: string | undefined;
}

/** Whose callback it is, proven by the auth token of the account it names. */
export function authenticate(
  { url, body, signature }: UnverifiedCallback,
  tenants: Pick<TenantDirectory, 'byAccountSid'>,
): VerifiedCallback | RefusedCallback {
  // Before anything is parsed: most of what is not Twilio has no signature at all.
  if (!signature) return { ok: false, result: 'missing_signature', why: 'missing', accountSid: undefined };
  const form = parseForm(body);
  if (!form.ok) return { ok: false, result: 'malformed', why: form.why, accountSid: undefined };
  const { params } = form;
  const accountSid = typeof params['AccountSid'] === 'string' ? params['AccountSid'] : undefined;
  const tenant = accountSid === undefined ? undefined : tenants.byAccountSid(accountSid);
  if (!tenant) return { ok: false, result: 'unknown_account', why: 'unknown_account', accountSid };
  const check = checkSignature({ url, params, signature, authTokens: tenant.twilio.authTokens });
  if (!check.ok) return { ok: false, result: 'forged', why: check.why, accountSid };
  return { ok: true, tenant, params, tokenIndex: check.tokenIndex };
}
