import type { SuppressionReason } from '@signalbox/contracts';
import { SendgridApiError, type SendgridClient } from '@signalbox/sendgrid';
import { everything, groupOf, groupScope, type Suppression, type SuppressionRequest } from './suppression.rules.ts';

/** The lists of SendGrid that keep somebody from all email, and why. Blocks are of a moment, and not among them. */
const lists = [
  ['bounces', 'bounce'],
  ['invalid_emails', 'bounce'],
  ['spam_reports', 'spam_report'],
  ['unsubscribes', 'unsubscribe'],
] as const satisfies readonly (readonly [string, SuppressionReason])[];

/** Members of all unsubscribe groups that are read: they come in one answer, which has no pages. Source: SendGrid, "Suppressions". */
const maxMembers = 300_000;

/** SendGrid's own limit. */
const pageSize = 500;

interface Entry {
  readonly email: string;
  /** Unix seconds. */
  readonly created: number;
}

/** Who SendGrid has on its lists, as requests to have them on ours, page by page; since then, in Unix seconds. */
export async function* readLists(
  client: Pick<SendgridClient, 'call'>,
  tenant: string,
  since: number,
): AsyncGenerator<SuppressionRequest[] | 'too many members'> {
  const said = (
    email: string,
    scope: string,
    reason: SuppressionReason,
    created: number,
    source: string,
  ): SuppressionRequest => ({
    tenant,
    recipient: email.toLowerCase(),
    scope,
    state: 'opted_out',
    reason,
    source,
    at: new Date(created * 1000).toISOString(),
    bySendgrid: true,
  });
  for (const [list, reason] of lists) {
    for (let offset = 0; ; offset += pageSize) {
      const path = `/v3/suppression/${list}?start_time=${since}&limit=${pageSize}&offset=${offset}`;
      const page = await client.call<Entry[]>({ method: 'GET', path });
      yield page.map(({ email, created }) => said(email, everything, reason, created, `sendgrid ${list}`));
      if (page.length < pageSize) break;
    }
  }
  const groups = await client.call<{ unsubscribes?: number }[]>({ method: 'GET', path: '/v3/asm/groups' });
  if (groups.reduce((sum, { unsubscribes = 0 }) => sum + unsubscribes, 0) > maxMembers) {
    yield 'too many members';
    return;
  }
  const members = await client.call<{ email: string; group_id: number; created_at: number }[]>({
    method: 'GET',
    path: '/v3/asm/suppressions',
  });
  yield members.map(({ email, group_id, created_at }) =>
    said(email, groupScope(group_id), 'unsubscribe', created_at, 'sendgrid group'),
  );
}

/** In an order in which each part is told by a few calls: opt-outs of one list together, lifts one by one. */
export function partsOf(changes: readonly Suppression[]): (readonly Suppression[])[] {
  const additions = new Map<string, Suppression[]>();
  for (const change of changes.filter(({ state }) => state === 'opted_out')) {
    const path = listOf(change);
    additions.set(path, [...(additions.get(path) ?? []), change]);
  }
  const lifts = changes.filter(({ state }) => state === 'opted_in').map((change) => [change]);
  return [...additions.values(), ...lifts];
}

function listOf({ scope }: Pick<Suppression, 'scope'>): string {
  const group = groupOf(scope);
  return group === undefined ? '/v3/asm/suppressions/global' : `/v3/asm/groups/${group}/suppressions`;
}

/**
 * Tells SendGrid of changes of one tenant's list, so that it drops, or lets pass, what we do. Telling twice does no harm.
 * @throws SendgridApiError, SendgridTransportError
 */
export async function tell(client: Pick<SendgridClient, 'call'>, changes: readonly Suppression[]): Promise<void> {
  const additions = new Map<string, string[]>();
  for (const { scope, state, recipient } of changes) {
    const path = listOf({ scope });
    if (state === 'opted_out') {
      additions.set(path, [...(additions.get(path) ?? []), recipient]);
      continue;
    }
    const email = encodeURIComponent(recipient);
    await remove(client, `${path}/${email}`);
    if (groupOf(scope) !== undefined) continue;
    for (const list of ['bounces', 'invalid_emails', 'spam_reports']) {
      await remove(client, `/v3/suppression/${list}/${email}`);
    }
  }
  for (const [path, recipients] of additions) {
    await client.call({ method: 'POST', path, body: { recipient_emails: recipients } });
  }
}

/** Off a list; that it was not on it is as good. */
async function remove(client: Pick<SendgridClient, 'call'>, path: string): Promise<void> {
  try {
    await client.call({ method: 'DELETE', path });
  } catch (error) {
    if (!(error instanceof SendgridApiError) || error.status !== 404) throw error;
  }
}
