import { TwilioError } from '../messages-api/twilio-error.ts';
import { pageOf, type PageQuery } from './paging.rules.ts';

/** A page in the shape of the API: the resources under their key, and `meta`. */
export function listed<Item extends { readonly sid: string }>(
  all: readonly Item[],
  query: PageQuery,
  at: { readonly path: string; readonly key: string; readonly host?: string },
  resource: (item: Item) => object,
): object {
  const page = pageOf(all, query, at);
  if ('invalid' in page) throw new TwilioError(60200, { detail: page.invalid });
  return { [at.key]: page.items.map(resource), meta: page.meta };
}
