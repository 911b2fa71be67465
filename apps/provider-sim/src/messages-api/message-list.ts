import type { Ledger } from '../ledger.ts';
import { API_VERSION, messageResource } from './message-resource.ts';
import { dateFilter, dateFilters, type ListQuery, pageOf } from './page.ts';

/** One page of an account's messages. One that was not sent yet has no DateSent, so no date filter finds it. */
export function listMessages(ledger: Ledger, accountSid: string, query: ListQuery) {
  const inSpan = dateFilter(query, 'DateSent');
  const { To: to, From: from } = query;
  return pageOf(query, {
    path: `/${API_VERSION}/Accounts/${accountSid}/Messages.json`,
    name: 'messages',
    filters: ['To', 'From', ...dateFilters('DateSent')],
    newestFirst: (edge) => ledger.newestFirst(to, edge),
    newerThan: (edge) => ledger.newerThan(edge, to),
    sidOf: ({ sid }) => sid,
    matches: (message) =>
      message.accountSid === accountSid &&
      !message.deleted &&
      (from === undefined || message.from === from) &&
      inSpan(message.sentAt),
    show: messageResource,
  });
}
