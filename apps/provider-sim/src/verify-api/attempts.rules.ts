import { countryOf } from './resources.ts';
import type { PageQuery } from './paging.rules.ts';
import type { Attempt } from './verify-ledger.ts';

/** Attempts older than this are no longer listed. */
const KEPT_MS = 30 * 24 * 3_600_000;

const channels = ['sms', 'call', 'email', 'whatsapp', 'rbm'];
const conversions = ['converted', 'unconverted'];

/** The filter of a query over attempts, of the list or the summary, or the name of the parameter that is wrong. */
export function attemptFilter(query: PageQuery, now: number): ((attempt: Attempt) => boolean) | { invalid: string } {
  const after = time(query['DateCreatedAfter']);
  const before = time(query['DateCreatedBefore']);
  const channel = query['Channel'];
  const status = query['Status']?.toLowerCase();
  const country = query['Country'];
  if (Number.isNaN(after)) return { invalid: 'DateCreatedAfter' };
  if (Number.isNaN(before)) return { invalid: 'DateCreatedBefore' };
  if (channel !== undefined && !channels.includes(channel)) return { invalid: 'Channel' };
  if (status !== undefined && !conversions.includes(status)) return { invalid: 'Status' };
  if (country !== undefined && !/^[A-Z]{2}$/.test(country)) return { invalid: 'Country' };
  const since = Math.max(after ?? 0, now - KEPT_MS);
  const { 'ChannelData.To': to, VerifyServiceSid: service, VerificationSid: sid, DestinationPrefix: prefix } = query;
  return (attempt) =>
    attempt.createdAt >= since &&
    (before === undefined || attempt.createdAt < before) &&
    (channel === undefined || attempt.channel === channel) &&
    (status === undefined || attempt.converted === (status === 'converted')) &&
    (to === undefined || attempt.verification.to === to) &&
    (prefix === undefined || attempt.verification.to.startsWith(prefix)) &&
    (service === undefined || attempt.verification.service.sid === service) &&
    (sid === undefined || attempt.verification.sid === sid) &&
    (country === undefined || countryOf(attempt.verification.to) === country);
}

const time = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));
