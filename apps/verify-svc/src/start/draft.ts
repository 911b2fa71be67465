import { type StartVerificationCommand, verifyChannel } from '@signalbox/contracts';
import { requestDigest } from '@signalbox/domain-service';
import { defaultVerifyChannels, type Tenant, type VerifyService } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { v7 as uuidv7 } from 'uuid';
import { planOf } from '../channels/plan.rules.ts';
import type { KeyedHash } from '../keyed-hash.ts';
import { maxChecksOf, millis } from '../limits/limits.ts';
import type { Step, Verification } from '../verification/verification.ts';

/** What is wrong with a request, at which field. */
export interface RequestFault {
  readonly field: 'to' | 'channel' | 'service' | 'code' | 'email';
  readonly detail: string;
}

export type Drafted = { readonly ok: true; readonly step: Step } | { readonly ok: false; readonly fault: RequestFault };

export interface OwnCode {
  readonly kind: 'ours' | 'callers';
  /** Null where it is still to be made. */
  readonly value: string | null;
}

export interface DraftContext {
  readonly tenant: Tenant;
  readonly hash: KeyedHash;
  readonly now: Date;
  /** VA… of the service that the request means; null where it means none, or Twilio has none. */
  readonly serviceSid: string | null;
}

/** A request as the verification it becomes, not stored yet. A code is in none of it, but for its keyed hash in the digest. */
export function draft(
  command: StartVerificationCommand,
  ownCode: OwnCode | null,
  { tenant, hash, now, serviceSid }: DraftContext,
): Drafted {
  const { channel } = command;
  const service = channel === 'totp' ? null : serviceOf(tenant, command.service ?? null);
  if (service === undefined) return fault('service', 'is not in verify.services of the tenant file');
  if (service && serviceSid === null)
    return fault('service', 'is not found at Twilio: apply verify.services, and see that the API key may read them');
  if (ownCode && !service?.customCode) return fault('code', 'this service does not take codes of your own');
  if (ownCode?.value && service && ownCode.value.length !== service.codeLength)
    return fault('code', `must have ${service.codeLength} digits, as the service says`);
  const address = addressOf(command.to ?? null, command.email ?? null);
  if ('detail' in address) return { ok: false, fault: address };
  const plan = planOf({ channel, ...address }, tenant.verify?.channels ?? defaultVerifyChannels);
  const [first] = plan;
  if (!first) return fault('channel', 'there is no address for it');
  const recipient = first.to;
  const at = now.toISOString();
  const digest = ownCode?.value ? { ...command, ownCode: hash.of('request', ownCode.value) } : { ...command, ownCode };
  const verification: Verification = {
    id: uuidv7(),
    tenant: tenant.name,
    idempotencyKey: command.idempotencyKey,
    requestDigest: requestDigest(digest),
    recipient,
    recipientHash: recipientHash(hash, tenant.name, recipient ?? `totp:${command.subject}`),
    request: {
      service: command.service ?? null,
      locale: command.locale ?? null,
      purpose: command.purpose ?? null,
      subject: command.subject ?? null,
      ip: command.ip ?? null,
      userAgent: command.userAgent ?? null,
      deviceId: command.deviceId ?? null,
      metadata: command.metadata,
      code: ownCode?.kind ?? 'provider',
    },
    serviceSid: service ? serviceSid : null,
    plan,
    position: 0,
    createdAt: at,
    state: 'accepted',
    sequence: 1,
    providerSid: null,
    error: null,
    refused: null,
    codes: [],
    checks: 0,
    wrong: 0,
    maxChecks: maxChecksOf(tenant),
    sends: 0,
    attempts: 0,
    wants: null,
    lastSentAt: null,
    expiresAt: new Date(now.getTime() + millis(service?.ttl ?? totpTtl)).toISOString(),
    dueAt: null,
    toTell: null,
    updatedAt: at,
  };
  return {
    ok: true,
    step: { verification, changes: [{ sequence: 1, from: null, to: 'accepted', at, error: null }] },
  };
}

/** How long a code of an authenticator is waited for. */
const totpTtl = 'PT10M';

export function recipientHash(hash: KeyedHash, tenant: string, recipient: string): string {
  return hash.of('recipient', tenant, recipient);
}

/** Undefined where the tenant has no such service. */
export function serviceOf(tenant: Tenant, name: string | null): VerifyService | undefined {
  const { services = {}, defaultService } = tenant.verify ?? {};
  const wanted = name ?? defaultService ?? '';
  return Object.hasOwn(services, wanted) ? services[wanted] : undefined;
}

const emailForm = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** Email addresses in small letters: Twilio takes two spellings for two recipients, and people do not. */
function addressOf(
  to: string | null,
  email: string | null,
): { number: string | null; email: string | null } | RequestFault {
  if (to === null) return { number: null, email: email?.toLowerCase() ?? null };
  if (emailForm.test(to)) {
    if (email !== null) return { field: 'email', detail: 'to is an email address already' };
    return { number: null, email: to.toLowerCase() };
  }
  const number = toE164(to);
  if (!number.ok) return { field: 'to', detail: 'must be a phone number in E.164, or an email address' };
  return { number: number.e164, email: email?.toLowerCase() ?? null };
}

/** The channel of a resend, where it is one that a code can be sent on. */
export const sendableChannel = verifyChannel.exclude(['totp']);

const fault = (field: RequestFault['field'], detail: string): Drafted => ({ ok: false, fault: { field, detail } });
