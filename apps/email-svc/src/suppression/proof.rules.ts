import type { SendgridEmailEvent } from '@signalbox/contracts';
import { bounceKind } from '../progress/failure.rules.ts';
import { everything, groupScope, type SuppressionRequest } from './suppression.rules.ts';

/** An event, and the email it speaks of if that is ours. */
export interface Proof {
  readonly data: SendgridEmailEvent;
  readonly emailId: string | null;
}

/**
 * What an event says of who must not be written to, and undefined for most. Also of emails that others on the account sent: the
 * lists are the account's.
 */
export function provedByEvent({ data, emailId }: Proof): SuppressionRequest | undefined {
  const { tenant, status, params } = data;
  const recipient = data.email.trim().toLowerCase();
  if (recipient === '') return undefined;
  const said = {
    tenant,
    recipient,
    source: emailId ?? (data.resourceSid || null),
    at: data.providerTime ?? data.receivedAt,
    bySendgrid: true,
  } as const;
  const group = typeof params['asm_group_id'] === 'number' ? params['asm_group_id'] : undefined;
  switch (status) {
    case 'bounce':
      return bounceKind(data) === 'hard'
        ? { ...said, scope: everything, state: 'opted_out', reason: 'bounce' }
        : undefined;
    case 'spamreport':
      return { ...said, scope: everything, state: 'opted_out', reason: 'spam_report' };
    case 'unsubscribe':
      return { ...said, scope: everything, state: 'opted_out', reason: 'unsubscribe' };
    case 'group_unsubscribe':
      return group === undefined
        ? undefined
        : { ...said, scope: groupScope(group), state: 'opted_out', reason: 'unsubscribe' };
    case 'group_resubscribe':
      return group === undefined
        ? undefined
        : { ...said, scope: groupScope(group), state: 'opted_in', reason: 'unsubscribe' };
    case 'dropped': {
      const scope = group !== undefined && params['reason'] === 'Unsubscribed Address' ? groupScope(group) : everything;
      return isListed(params['reason'])
        ? { ...said, scope, state: 'opted_out', reason: 'provider_refused' }
        : undefined;
    }
    default:
      return undefined;
  }
}

/** Reasons of a drop that say SendGrid has the recipient on a list. Source: SendGrid, "Drops". */
const listedReasons = new Set(['bounced address', 'unsubscribed address', 'spam reporting address', 'invalid']);

function isListed(reason: unknown): boolean {
  return typeof reason === 'string' && listedReasons.has(reason.trim().toLowerCase());
}
