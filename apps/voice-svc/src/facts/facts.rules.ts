import type { CallFacts, TwilioCallStatus } from '@signalbox/contracts';

/** What is known of a call of the provider; times are ISO 8601 UTC. */
export interface Facts {
  readonly callSid: string;
  readonly tenant: string;
  readonly callId: string | null;
  readonly parentCallSid: string | null;
  readonly direction: string;
  readonly from: string;
  readonly to: string;
  readonly dialledAt: string | null;
  readonly ringingAt: string | null;
  readonly answeredAt: string | null;
  readonly endedAt: string | null;
  readonly status: string | null;
  readonly durationSeconds: number | null;
  readonly answeredBy: string | null;
  readonly sipResponseCode: number | null;
}

const finalStatuses: ReadonlySet<string> = new Set(['completed', 'busy', 'no-answer', 'failed', 'canceled']);

/** What one status callback says; undefined when it is not about the progress of a call. */
export function factsOf(data: TwilioCallStatus, callId: string | null): Facts | undefined {
  const { params, tenant, resourceSid: callSid, status, providerTime, receivedAt } = data;
  if (!isProgress(data)) return undefined;
  const at = providerTime ?? receivedAt;
  const over = finalStatuses.has(status);
  return {
    callSid,
    tenant,
    callId,
    parentCallSid: text(params['ParentCallSid']),
    direction: text(params['Direction']) ?? 'unknown',
    from: text(params['From']) ?? '',
    to: text(params['To']) ?? '',
    dialledAt: status === 'initiated' ? at : null,
    ringingAt: status === 'ringing' ? at : null,
    answeredAt: status === 'in-progress' ? at : null,
    endedAt: over ? at : null,
    status: over ? status : null,
    durationSeconds: whole(params['CallDuration']),
    answeredBy: text(params['AnsweredBy']),
    sipResponseCode: whole(params['SipResponseCode']),
  };
}

/** Not of a conference, a media stream or machine detection, which come to the same place. */
export function isProgress({ resourceSid, params }: Pick<TwilioCallStatus, 'resourceSid' | 'params'>): boolean {
  return resourceSid.startsWith('CA') && !params['ConferenceSid'] && !params['StreamSid'] && 'CallStatus' in params;
}

/** Joins what several callbacks of one call say, whatever order they came in. */
export function join(one: Facts, other: Facts): Facts {
  return {
    ...one,
    callId: one.callId ?? other.callId,
    parentCallSid: one.parentCallSid ?? other.parentCallSid,
    dialledAt: one.dialledAt ?? other.dialledAt,
    ringingAt: one.ringingAt ?? other.ringingAt,
    answeredAt: one.answeredAt ?? other.answeredAt,
    endedAt: one.endedAt ?? other.endedAt,
    status: one.status ?? other.status,
    durationSeconds: one.durationSeconds ?? other.durationSeconds,
    answeredBy: one.answeredBy ?? other.answeredBy,
    sipResponseCode: one.sipResponseCode ?? other.sipResponseCode,
  };
}

export interface Bill {
  readonly price: string | null;
  readonly currency: string | null;
  readonly queueSeconds: number | null;
}

/** The event that closes a call's account. */
export function closing(facts: Facts, bill: Bill, at: string): CallFacts {
  return {
    tenant: facts.tenant,
    callId: facts.callId,
    callSid: facts.callSid,
    parentCallSid: facts.parentCallSid,
    direction: facts.direction,
    from: facts.from,
    to: facts.to,
    status: facts.status ?? 'completed',
    endedAt: facts.endedAt ?? at,
    durationSeconds: facts.durationSeconds ?? 0,
    ringSeconds: between(facts.ringingAt, facts.answeredAt),
    postDialSeconds: between(facts.dialledAt, facts.ringingAt),
    queueSeconds: bill.queueSeconds,
    answeredBy: facts.answeredBy,
    sipResponseCode: facts.sipResponseCode,
    price: bill.price,
    currency: bill.currency,
    at,
  };
}

const doublings = 9;

/** When a price that is not known yet is asked for again: each time after twice as long; null when it is given up, after some days. */
export function nextAsk(asks: number, now: Date, firstMs: number): string | null {
  return asks > doublings ? null : new Date(now.getTime() + firstMs * 2 ** asks).toISOString();
}

/** Clocks of the provider's parts differ: what seems to go backwards took no time. */
function between(begun: string | null, ended: string | null): number | null {
  if (begun === null || ended === null) return null;
  return Math.max(0, Math.round((Date.parse(ended) - Date.parse(begun)) / 1000));
}

type Param = string | readonly string[] | undefined;

export function text(param: Param): string | null {
  const value = typeof param === 'object' ? param[0] : param;
  return value ? value : null;
}

export function whole(param: Param): number | null {
  const value = text(param);
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null;
}
