import { API_VERSION } from '../messages-api/message-resource.ts';
import { dateFilter, dateFilters, type ListQuery, pageOf } from '../messages-api/page.ts';
import type { CallLedger } from './call.ts';
import { callResource } from './resources.ts';

/** One page of an account's calls. One that was not dialled yet has no StartTime, so no date filter finds it. */
export function listCalls(ledger: CallLedger, accountSid: string, query: ListQuery) {
  const started = dateFilter(query, 'StartTime');
  const ended = dateFilter(query, 'EndTime');
  const { To: to, From: from, Status: status, ParentCallSid: parent } = query;
  return pageOf(query, {
    path: `/${API_VERSION}/Accounts/${accountSid}/Calls.json`,
    name: 'calls',
    filters: ['To', 'From', 'Status', 'ParentCallSid', ...dateFilters('StartTime'), ...dateFilters('EndTime')],
    newestFirst: (edge) => ledger.newestFirst(to, edge),
    newerThan: (edge) => ledger.newerThan(edge, to),
    sidOf: ({ sid }) => sid,
    matches: (call) =>
      call.accountSid === accountSid &&
      !call.deleted &&
      (from === undefined || call.from === from) &&
      (parent === undefined || call.parentCallSid === parent) &&
      (status === undefined || callResource(call).status === status) &&
      started(call.startedAt) &&
      ended(call.endedAt),
    show: callResource,
  });
}
