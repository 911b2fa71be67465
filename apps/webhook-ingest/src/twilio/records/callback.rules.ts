import type { CloudEvent } from '@signalbox/contracts';
import type { FormParams } from '@signalbox/twilio';

/** A callback whose sender is proven. */
export interface AuthenticCallback {
  readonly tenant: string;
  readonly accountSid: string;
  readonly params: FormParams;
  /** Our id from the callback URL. */
  readonly correlationId: string | null;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
  /** Of an event of Event Streams. */
  readonly stream?: { readonly id: string; readonly type: string; readonly time: string | null };
  /** Of the params: for callbacks that nothing else identifies. */
  readonly digest: () => string;
}

export interface CallbackRecord<Data = unknown, Type extends string = string> {
  readonly key: string;
  readonly event: CloudEvent<Data, Type>;
}

/** `missing` names the parameter without which the callback says nothing. */
export type Normalised<Data = unknown, Type extends string = string> =
  { readonly ok: true; readonly record: CallbackRecord<Data, Type> } | { readonly ok: false; readonly missing: string };

export type Normalise = (callback: AuthenticCallback) => Normalised;

/** What the records of all callbacks have in common. */
export interface CallbackFacts<Type extends string, More extends object> {
  readonly type: Type;
  readonly key: string;
  readonly resourceSid: string;
  readonly status: string;
  readonly providerTime: string | null;
  readonly errorCode: string | undefined;
  /** What tells this occurrence from others of the resource. */
  readonly occurrence: readonly [string, string?, string?];
  readonly more: More;
}

export function toRecord<Type extends string, More extends object>(
  { tenant, accountSid, params, correlationId, receivedAt }: AuthenticCallback,
  { type, key, resourceSid, status, providerTime, errorCode, occurrence, more }: CallbackFacts<Type, More>,
) {
  const [what, second = '', third = ''] = occurrence;
  return {
    ok: true as const,
    record: {
      key,
      event: {
        // The same for a provider's retry, in any replica, and for the same fact told over another channel.
        id: [accountSid, resourceSid, what, second, third].map(idPart).join('/'),
        source: '//signalbox/webhook-ingest',
        type,
        time: receivedAt,
        subject: resourceSid,
        data: {
          accountSid,
          tenant,
          resourceSid,
          correlationId,
          status,
          providerTime,
          receivedAt,
          errorCode: toErrorCode(errorCode),
          params: params as Record<string, string | string[]>,
          ...more,
        },
      },
    },
  };
}

/** JSON may hold half a surrogate pair, which has no encoding. */
const idPart = (text: string) => encodeURIComponent(text.toWellFormed());

export const missing = (name: string) => ({ ok: false, missing: name }) as const;

/** The first of these parameters that says something; of a repeated one the first value. */
export function pick(params: FormParams, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = params[name];
    const text = typeof value === 'object' ? value[0] : value;
    if (text) return text;
  }
  return undefined;
}

/** `0` is Twilio's "no error" in recordings and streams. Texts such as `32009,Your TwiML …` begin with their code. */
function toErrorCode(text: string | undefined): number | null {
  const code = text === undefined ? undefined : /^([1-9]\d{0,8})(?:,|$)/.exec(text)?.[1];
  return code === undefined ? null : Number(code);
}

/** An error code as a part of an id. */
export function errorPart(text: string | undefined): string {
  return text === undefined || text === '0' ? '' : text;
}

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;
const rfc2822 = /^(\w{3}, )?\d{1,2} \w{3} \d{4} \d\d:\d\d(:\d\d)? ([+-]\d{4}|GMT|UTC|Z)$/;

/** RFC 3339 from what Twilio writes: RFC 2822 in Voice, ISO 8601 elsewhere. Null when it is neither, or has no zone. */
export function toTime(text: string | undefined): string | null {
  if (text === undefined || text.length > 40 || !(iso.test(text) || rfc2822.test(text))) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/** Twilio counts from 0. */
export function toSequence(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}
