import type { Ledger, Message } from '../ledger.ts';
import { API_VERSION, messageResource } from './message-resource.ts';
import { TwilioError } from './twilio-error.ts';

export type ListQuery = Record<string, string | undefined>;

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
const DAY_MS = 24 * 3_600_000;

/**
 * One page of an account's messages, newest first. A page token names the message at the edge of the page before, so
 * that messages which arrive while somebody turns the pages neither repeat nor hide one: `PA<sid>` goes on after it,
 * `PB<sid>` goes back before it.
 */
export function listMessages(ledger: Ledger, accountSid: string, query: ListQuery) {
  const size = pageSize(query.PageSize);
  const page = wholeNumber('Page', query.Page ?? '0');
  const matches = filterOf(accountSid, query);
  const token = query.PageToken;
  const back = token?.startsWith('PB') ?? false;
  const edge = token?.slice(2);

  const source = back ? ledger.newerThan(edge ?? '', query.To) : ledger.newestFirst(query.To, edge);
  const found: Message[] = [];
  for (const message of source) {
    if (matches(message)) found.push(message);
    if (found.length > size) break;
  }
  const more = back || found.length > size;
  const messages = found.slice(0, size);
  if (back) messages.reverse();

  const uri = (number: number, pageToken?: string) => pageUri(accountSid, query, size, number, pageToken);
  const first = messages.at(0);
  const last = messages.at(-1);
  return {
    first_page_uri: uri(0),
    end: page * size + Math.max(messages.length - 1, 0),
    previous_page_uri: page > 0 && first ? uri(page - 1, `PB${first.sid}`) : null,
    messages: messages.map(messageResource),
    uri: uri(page, token),
    page_size: size,
    start: page * size,
    next_page_uri: more && last ? uri(page + 1, `PA${last.sid}`) : null,
    page,
  };
}

/** A message that was not sent yet has no DateSent, so no date filter finds it. */
function filterOf(accountSid: string, query: ListQuery): (message: Message) => boolean {
  const on = span('DateSent', query.DateSent);
  const until = span('DateSent<', query['DateSent<']);
  const since = span('DateSent>', query['DateSent>']);
  return (message) => {
    if (message.accountSid !== accountSid || message.deleted) return false;
    if (query.From !== undefined && message.from !== query.From) return false;
    if (!on && !until && !since) return true;
    const sent = message.sentAt;
    if (sent === null) return false;
    return !(
      (on && (sent < on.start || sent >= on.end)) ||
      (until && sent >= until.end) ||
      (since && sent < since.start)
    );
  };
}

/** What a date of the query covers: a whole day in GMT, or one second, the precision of Twilio's times. */
function span(name: string, value: string | undefined): { start: number; end: number } | undefined {
  if (value === undefined) return undefined;
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw new TwilioError(20001, { detail: name });
  const start = Math.floor(time / 1000) * 1000;
  return { start, end: start + (/^\d{4}-\d{2}-\d{2}$/.test(value) ? DAY_MS : 1000) };
}

function pageSize(value: string | undefined): number {
  if (value === undefined) return DEFAULT_PAGE_SIZE;
  const size = wholeNumber('PageSize', value);
  if (size < 1) throw new TwilioError(20001, { detail: 'PageSize' });
  return Math.min(size, MAX_PAGE_SIZE);
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new TwilioError(20001, { detail: name });
  return Number(value);
}

function pageUri(accountSid: string, query: ListQuery, size: number, page: number, token?: string): string {
  const search = new URLSearchParams();
  for (const name of ['To', 'From', 'DateSent', 'DateSent<', 'DateSent>']) {
    const value = query[name];
    if (value !== undefined) search.set(name, value);
  }
  search.set('PageSize', String(size));
  search.set('Page', String(page));
  if (token !== undefined) search.set('PageToken', token);
  return `/${API_VERSION}/Accounts/${accountSid}/Messages.json?${search.toString()}`;
}
