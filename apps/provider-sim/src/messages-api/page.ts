import { TwilioError } from './twilio-error.ts';

export type ListQuery = Record<string, string | undefined>;

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
const DAY_MS = 24 * 3_600_000;

/** Where the resources of a list come from: newest first from `edge` on, or oldest first after it. */
export interface Source<Resource> {
  newestFirst(edge: string | undefined): Iterable<Resource>;
  newerThan(edge: string): Iterable<Resource>;
}

export interface Listing<Resource> extends Source<Resource> {
  /** Of the list, below the host, e.g. `/2010-04-01/Accounts/AC…/Calls.json`. */
  readonly path: string;
  /** What the answer calls the list, e.g. `calls`. */
  readonly name: string;
  /** Query parameters that the page URIs repeat. */
  readonly filters: readonly string[];
  sidOf(resource: Resource): string;
  matches(resource: Resource): boolean;
  show(resource: Resource): object;
}

/**
 * One page of a list, newest first. A page token names the resource at the edge of the page before, so that what
 * arrives while somebody turns the pages neither repeats nor hides one: `PA<sid>` goes on after it, `PB<sid>` goes back
 * before it.
 */
export function pageOf<Resource>(query: ListQuery, listing: Listing<Resource>): Record<string, unknown> {
  const size = pageSize(query['PageSize']);
  const page = wholeNumber('Page', query['Page'] ?? '0');
  const token = query['PageToken'];
  const back = token?.startsWith('PB') ?? false;
  const edge = token?.slice(2);

  const found: Resource[] = [];
  for (const resource of back ? listing.newerThan(edge ?? '') : listing.newestFirst(edge)) {
    if (listing.matches(resource)) found.push(resource);
    if (found.length > size) break;
  }
  const more = back || found.length > size;
  const shown = found.slice(0, size);
  if (back) shown.reverse();

  const uri = (number: number, pageToken?: string) => pageUri(listing, query, size, number, pageToken);
  const first = shown.at(0);
  const last = shown.at(-1);
  return {
    first_page_uri: uri(0),
    end: page * size + Math.max(shown.length - 1, 0),
    previous_page_uri: page > 0 && first ? uri(page - 1, `PB${listing.sidOf(first)}`) : null,
    [listing.name]: shown.map((resource) => listing.show(resource)),
    uri: uri(page, token),
    page_size: size,
    start: page * size,
    next_page_uri: more && last ? uri(page + 1, `PA${listing.sidOf(last)}`) : null,
    page,
  };
}

/** A short list that is kept oldest first. */
export function fromArray<Resource>(all: readonly Resource[], sidOf: (one: Resource) => string): Source<Resource> {
  const positionOf = (edge: string) => all.findIndex((one) => sidOf(one) === edge);
  return {
    newestFirst: (edge) => all.slice(0, edge === undefined ? all.length : Math.max(positionOf(edge), 0)).toReversed(),
    newerThan: (edge) => all.slice(positionOf(edge) + 1),
  };
}

/** Whether a time fits the filters `name`, `name<` and `name>` of the query; what has no time fits none. */
export function dateFilter(query: ListQuery, name: string): (time: number | null) => boolean {
  const on = span(name, query[name]);
  const until = span(`${name}<`, query[`${name}<`]);
  const since = span(`${name}>`, query[`${name}>`]);
  if (!on && !until && !since) return () => true;
  return (time) =>
    time !== null &&
    !((on && (time < on.start || time >= on.end)) || (until && time >= until.end) || (since && time < since.start));
}

export const dateFilters = (name: string): string[] => [name, `${name}<`, `${name}>`];

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

function pageUri<Resource>(
  { path, filters }: Listing<Resource>,
  query: ListQuery,
  size: number,
  page: number,
  token?: string,
): string {
  const search = new URLSearchParams();
  for (const name of filters) {
    const value = query[name];
    if (value !== undefined) search.set(name, value);
  }
  search.set('PageSize', String(size));
  search.set('Page', String(page));
  if (token !== undefined) search.set('PageToken', token);
  return `${path}?${search.toString()}`;
}
