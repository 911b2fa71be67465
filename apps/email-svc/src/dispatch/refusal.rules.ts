import type { Failure } from '@signalbox/contracts';
import type { SendOutcome } from '@signalbox/outbound';
import { failures } from '../email/failures.ts';

/** A refusal as SendGrid gave it. */
export interface Refusal {
  readonly status: number;
  readonly faults: readonly { readonly field: string | null }[];
  readonly retryAfterMs: number | null;
}

/** What a refusal of a call with several emails means for them; nothing of such a call was taken. */
export type Verdict =
  /** The same for all. */
  | { readonly kind: 'all'; readonly outcome: SendOutcome }
  /** These, by their place in the call, are at fault; the others may go without them. */
  | { readonly kind: 'some'; readonly at: ReadonlySet<number>; readonly outcome: SendOutcome }
  /** It is not said whose fault it was: each half is tried by itself. */
  | { readonly kind: 'halves' };

/**
 * 401 and 403 are about the key, so everything of the account is held; a 429 was never processed; of a 5xx nobody knows whether
 * it was; a 400 names the field at fault, which may be one of one recipient.
 * Source: SendGrid, "Mail Send: errors"; "Web API responses".
 */
export function judgeRefusal(refusal: Refusal, count: number): Verdict {
  const { status, faults, retryAfterMs } = refusal;
  const all = (outcome: SendOutcome): Verdict => ({ kind: 'all', outcome });
  if (status === 429) {
    return all({ kind: 'deferred', error: failures.tooManyRequests, httpStatus: status, retryAfterMs });
  }
  if (status >= 500) return all({ kind: 'in_doubt', error: failures.providerError, httpStatus: status });
  // About its sender alone, although the status is the one of a key that may not send.
  if (status === 403 && faults.some(({ field }) => field === 'from')) {
    return all(refused(senderNotVerified, status));
  }
  if (status === 401 || status === 403) {
    const error = status === 401 ? failures.credentialsRefused : failures.scopeMissing;
    return all({ kind: 'deferred', error, httpStatus: status, retryAfterMs, credentials: true });
  }
  if (status === 413) return count > 1 ? { kind: 'halves' } : all(refused(failures.tooLarge, status));

  const error = named(failures.badRequest, faults);
  const places = faults.map(({ field }) => placeOf(field));
  if (count === 1 || (faults.length > 0 && faults.every(({ field }) => isShared(field)))) {
    return all(refused(error, status));
  }
  const known = new Set(places.filter((place) => place !== undefined && place < count) as number[]);
  if (known.size === 0) return { kind: 'halves' };
  return { kind: 'some', at: known, outcome: refused(error, status) };
}

function refused(error: Failure, httpStatus: number): SendOutcome {
  return { kind: 'refused', error, httpStatus };
}

/** Which recipient of the call a fault is about. */
function placeOf(field: string | null): number | undefined {
  const digits = /^personalizations\.(\d+)\b/.exec(field ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Of the part that all emails of a call have in common. */
function isShared(field: string | null): boolean {
  return field !== null && !field.startsWith('personalizations');
}

/** Names of fields say what is wrong and nothing of anybody; SendGrid's texts may quote an address. */
function named(failure: Failure, faults: Refusal['faults']): Failure {
  const fields = new Set(
    faults.map(({ field }) => field?.replace(/\.\d+/g, '')).filter((field) => field !== undefined),
  );
  return fields.size === 0 ? failure : { ...failure, title: `${failure.title}: ${[...fields].slice(0, 5).join(', ')}` };
}

const senderNotVerified: Failure = {
  code: 'sender_not_verified',
  class: 'configuration',
  title: 'SendGrid does not know the sender (HTTP 403)',
  remedy: 'Authenticate the domain of the sender, or verify the address, and send under a new key',
};
