import { isIP } from 'node:net';
import { isE164 } from '../messages-api/address.rules.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import type { ServiceSettings } from './verify-service.rules.ts';

export type VerifyChannel = 'sms' | 'call' | 'email' | 'whatsapp';

export interface VerificationRequest {
  to: string;
  channel: VerifyChannel;
  locale: string;
  /** Null: the provider draws one. */
  customCode: string | null;
  customFriendlyName: string | null;
  templateSid: string | null;
  substitutions: Record<string, string>;
  appHash: string | null;
  amount: string | null;
  payee: string | null;
  /** By the unique names of the service's rate limits. */
  rateLimits: Record<string, string>;
  tags: Record<string, string> | null;
  /** Fraud Guard does not look at it. */
  riskCheckDisabled: boolean;
}

export type VerifyRefusal = { ok: false; code: number; detail?: string };
export type VerificationReading = { ok: true; request: VerificationRequest } | VerifyRefusal;

const channels: readonly string[] = ['sms', 'call', 'email', 'whatsapp', 'auto'];
const MAX_TAGS = 10;
const MAX_TAG_LENGTH = 128;

/** Reads the form that starts a verification, or says with which of Twilio's codes it is refused. */
export function readVerificationRequest(form: Form, service: ServiceSettings): VerificationReading {
  const text = (name: string) => {
    const value = form[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const to = text('To') ?? '';
  const named = text('Channel') ?? '';
  if (!channels.includes(named)) return invalid('Channel');
  // Silent network authentication, which Twilio would try first, is not played.
  const channel = (named === 'auto' ? 'sms' : named) as VerifyChannel;
  if (channel === 'email' ? !isEmail(to) : !isE164(to)) return invalid('To');

  const customCode = text('CustomCode') ?? null;
  if (customCode !== null && !service.customCodeEnabled) return { ok: false, code: 60204, detail: 'CustomCode' };
  if (customCode !== null && !isCode(customCode)) return invalid('CustomCode');
  const appHash = text('AppHash') ?? null;
  if (appHash !== null && channel !== 'sms') return { ok: false, code: 60602 };
  const deviceIp = text('DeviceIp');
  if (deviceIp !== undefined && isIP(deviceIp) === 0) return invalid('DeviceIp');
  const riskCheck = text('RiskCheck') ?? 'enable';
  if (riskCheck !== 'enable' && riskCheck !== 'disable') return invalid('RiskCheck');

  const amount = text('Amount') ?? null;
  const payee = text('Payee') ?? null;
  if (service.psd2Enabled && (amount === null || payee === null)) return { ok: false, code: 60206 };
  const rateLimits = jsonMap(text('RateLimits'));
  if (!rateLimits) return invalid('RateLimits');
  const substitutions = jsonMap(text('TemplateCustomSubstitutions'));
  if (!substitutions) return { ok: false, code: 60224 };
  const tagsText = text('Tags');
  const tags = jsonMap(tagsText);
  if (!tags || !isTags(tags)) return invalid('Tags');

  return {
    ok: true,
    request: {
      to,
      channel,
      locale: text('Locale') ?? 'en',
      customCode,
      customFriendlyName: text('CustomFriendlyName') ?? null,
      templateSid: text('TemplateSid') ?? service.defaultTemplateSid,
      substitutions,
      appHash,
      amount,
      payee,
      rateLimits,
      tags: tagsText === undefined ? null : tags,
      riskCheckDisabled: riskCheck === 'disable',
    },
  };
}

/** 4 to 10 characters. Source: Twilio, "Verification resource: CustomCode". */
export const isCode = (text: string): boolean => /^[\p{L}\p{N}]{4,10}$/u.test(text);

const isEmail = (text: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text) && text.length <= 320;

const invalid = (parameter: string): VerifyRefusal => ({ ok: false, code: 60200, detail: parameter });

const isTags = (tags: Record<string, string>): boolean =>
  Object.keys(tags).length <= MAX_TAGS &&
  Object.entries(tags).every(([name, value]) => name.length <= MAX_TAG_LENGTH && value.length <= MAX_TAG_LENGTH);

/** A JSON object of texts and numbers; undefined for anything else. */
function jsonMap(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value as Record<string, unknown>);
  if (!entries.every(([, one]) => typeof one === 'string' || typeof one === 'number')) return undefined;
  return Object.fromEntries(entries.map(([name, one]) => [name, String(one)]));
}
