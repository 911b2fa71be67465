export type PageQuery = Record<string, string | undefined>;

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** A page as the APIs with their own host list it: the items under `key`, and where to turn in `meta`. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly meta: {
    readonly page: number;
    readonly page_size: number;
    readonly first_page_url: string;
    readonly previous_page_url: string | null;
    readonly next_page_url: string | null;
    readonly url: string;
    readonly key: string;
  };
}

/**
 * One page of a list. A token names the item before the page, so that items which arrive meanwhile at the other end
 * neither repeat nor hide one.
 * @returns the name of the query parameter that is wrong, if one is
 */
export function pageOf<Item extends { readonly sid: string }>(
  all: readonly Item[],
  query: PageQuery,
  at: { readonly path: string; readonly key: string; readonly host?: string },
): Page<Item> | { readonly invalid: string } {
  const { PageSize = String(DEFAULT_PAGE_SIZE), Page = '0', PageToken, ...filters } = query;
  if (!/^[1-9]\d{0,8}$/.test(PageSize)) return { invalid: 'PageSize' };
  if (!/^\d{1,9}$/.test(Page)) return { invalid: 'Page' };
  const size = Math.min(Number(PageSize), MAX_PAGE_SIZE);
  const number = Number(Page);
  const after = PageToken === undefined ? -1 : all.findIndex(({ sid }) => PageToken === `PT${sid}`);
  if (PageToken !== undefined && PageToken !== 'PT' && after < 0) return { invalid: 'PageToken' };
  const items = all.slice(after + 1, after + 1 + size);
  const url = (page: number, token?: string) => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) if (value !== undefined) search.set(name, value);
    search.set('PageSize', String(size));
    search.set('Page', String(page));
    if (token !== undefined) search.set('PageToken', token);
    return `https://${at.host ?? 'verify.twilio.com'}${at.path}?${search.toString()}`;
  };
  const before = all[after - size];
  const last = items.at(-1);
  return {
    items,
    meta: {
      page: number,
      page_size: size,
      first_page_url: url(0),
      previous_page_url: number > 0 && after >= 0 ? url(number - 1, `PT${before?.sid ?? ''}`) : null,
      next_page_url: last && after + 1 + size < all.length ? url(number + 1, `PT${last.sid}`) : null,
      url: url(number, PageToken),
      key: at.key,
    },
  };
}
